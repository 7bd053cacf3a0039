"""What a misbehaving SMTP server does wrong, and what it keeps (see `tests.smtp_servers`)."""

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """Where a fault happens: at this command, before its own reply, unless said otherwise.

    BANNER: right after the connection was made. CONTENT: once the first bytes of the message have come.
    END: once the whole message has come. AFTER: once the reply to it was sent.
    """

    BANNER = "banner"
    EHLO = "ehlo"
    HELO = "helo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    END = "end"
    AFTER = "after"
    RSET = "rset"
    QUIT = "quit"


@dataclass(frozen=True)
class Fault:
    """What the server does at a step, in this order: wait, reply, close or stall.

    reply: said in the place of its own; it may have several lines, or be no SMTP at all. None: its own, or nothing if
    the connection is closed or stalls.
    close: ends the connection. stall: says nothing more, and reads nothing more, until the client has gone.
    slow: waits so many seconds first.
    keeps: at END without a reply: whether the message counts as taken although its reply is lost.
    """

    at: Step
    reply: str | None = None
    close: bool = False
    stall: bool = False
    slow: float = 0.0
    keeps: bool = True


@dataclass(frozen=True)
class Taken:
    """A message that the server took over.

    content: as the client meant it, without the dots that SMTP adds.
    options: what stood behind the return path in MAIL.
    replied: whether its reply was sent.
    """

    delivery_id: str | None
    return_path: str
    recipient: str
    content: bytes
    options: str
    replied: bool
    connection: int
