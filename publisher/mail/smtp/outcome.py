"""What is sent over SMTP, and how an attempt can end. Every end is a value."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message for one recipient.

    return_path: the address for MAIL FROM, to which bounces go; blank: none are wanted.
    recipient: the address for RCPT TO.
    content: header and body, each line with CRLF at its end; dots are not stuffed yet.
    needs_smtputf8: True if only a server that offers SMTPUTF8 can take it (RFC 6531).
    """

    return_path: str
    recipient: str
    content: bytes
    needs_smtputf8: bool = False


class Stage(StrEnum):
    """A step of the transaction, by what the server was asked.

    MAIL: the return path. RCPT: the recipient. DATA: whether it takes content. CONTENT: the message itself.
    """

    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of the server. text: without the code, its lines joined by spaces. Addresses are not masked."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took the message over."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refused at this stage, with a code of 400 or above. It has not taken the message."""

    stage: Stage
    reply: Reply


@dataclass(frozen=True, slots=True)
class Broken:
    """The connection failed at this stage, before the end of the content was sent: the server cannot have taken it.

    reason: for people; without an address.
    """

    stage: Stage
    reason: str


@dataclass(frozen=True, slots=True)
class Unsure:
    """The whole message was sent, and no reply came: the server may have taken it over (R33).

    reason: for people; without an address.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Unsendable:
    """This server cannot take this message, by its addresses or by what it said at the start. Nothing was sent.

    enhanced_code: the code that the server would have refused it with (RFC 3463). Of class 5: it never can. Of class 4:
        it can once somebody has mended the settings.
    reason: for people; without an address.
    """

    enhanced_code: str
    reason: str


Outcome = Accepted | Refused | Broken | Unsure | Unsendable
