"""Builds a command's message: the same bytes for the same command, and no header that a variable made (R22, R33)."""

import re
from base64 import encodebytes
from binascii import b2a_qp
from dataclasses import dataclass
from email.utils import format_datetime
from urllib.parse import quote

from publisher.domain.mailbox import Mailbox, parse_address
from publisher.mail.messages.command import MailCommand
from publisher.mail.messages.faults import AddressFault
from publisher.mail.messages.header_fields import mailbox_field, text_field, token_field
from publisher.mail.messages.references import Reference, message_id

_NEWLINES = re.compile(r"\r\n?")


@dataclass(frozen=True, slots=True)
class Letter:
    """What a template makes of a command's variables.

    subject: may hold anything: it is made one line when the message is built.
    text, html: the two bodies; html None: the template has none.
    sender: None: the mail service's own.
    reply_to: where answers go, unless the command says so; empty: to the sender.
    unsubscribe: URLs for List-Unsubscribe (RFC 8058), each made by `unsubscribe_url`; empty: none.
    """

    subject: str
    text: str
    html: str | None = None
    sender: Mailbox | None = None
    reply_to: tuple[Mailbox, ...] = ()
    unsubscribe: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A message that can be sent.

    data: header and body as SMTP's DATA carries them, with CRLF at the end of each line; dots are not stuffed yet.
    recipient: the address for RCPT TO.
    sender: the address for MAIL FROM, unless bounces go elsewhere.
    message_id: as it stands in the header, angle brackets included.
    needs_smtputf8: True if only a server that offers SMTPUTF8 can take it (RFC 6531).
    """

    data: bytes
    recipient: str
    sender: str
    message_id: str
    needs_smtputf8: bool


def build_message(
    command: MailCommand, letter: Letter, sender: Mailbox, reference: Reference
) -> Message | AddressFault:
    """Returns the message, or the reason why none can be sent to this recipient.

    sender: of a template that names none. reference: of the command's delivery.
    """
    recipient = parse_address(command.to)
    if recipient is None:
        return AddressFault("no mail can be sent to the recipient's address: it is no address that SMTP can carry")
    sender = letter.sender or sender
    reply_to = command.reply_to or letter.reply_to
    identity = message_id(reference, sender.domain)
    header = [
        mailbox_field("From", [sender]),
        mailbox_field("To", [recipient]),
        text_field("Subject", letter.subject),
        f"Date: {format_datetime(command.requested_at)}\r\n",
        f"Message-ID: {identity}\r\n",
        text_field("X-Delivery-Id", command.delivery_id),
        "Auto-Submitted: auto-generated\r\n",
        "MIME-Version: 1.0\r\n",
    ]
    if reply_to:
        header.append(mailbox_field("Reply-To", reply_to))
    if letter.unsubscribe:
        header += _unsubscribe_fields(letter.unsubscribe)
    # The reference alone: the domain may have characters that a boundary has not.
    data = "".join(header) + _body(letter, identity[1:].partition("@")[0])
    return Message(
        data.encode(),
        recipient.address,
        sender.address,
        identity,
        any(mailbox.needs_smtputf8 for mailbox in (sender, recipient, *reply_to)),
    )


def unsubscribe_url(text: str) -> str | None:
    """Returns the URL as List-Unsubscribe can hold it, or None if it is no URL of `https:` or `mailto:`.

    Characters that no URL has, line breaks among them, are percent-encoded.
    """
    url = quote(text.strip(), safe=":/?#[]@!$&'()*+,;=%~", errors="replace")
    return url if re.match(r"https://[^/]|mailto:[^?]*@", url, re.IGNORECASE) and len(url) <= 900 else None


def _unsubscribe_fields(urls: tuple[str, ...]) -> list[str]:
    listed = [f"<{url}>," for url in urls[:-1]] + [f"<{urls[-1]}>"]
    fields = [token_field("List-Unsubscribe", listed)]
    # RFC 8058: it promises that a POST to the https URL is enough.
    if any(url.lower().startswith("https:") for url in urls):
        fields.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    return fields


def _body(letter: Letter, reference: str) -> str:
    text = _part("text/plain", letter.text)
    if letter.html is None:
        return text
    # No encoded body can hold it: quoted-printable writes = as =3D, and base64 has no _.
    boundary = f"=_{reference}"
    return (
        f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'
        f"--{boundary}\r\n{text}\r\n--{boundary}\r\n{_part('text/html', letter.html)}\r\n--{boundary}--\r\n"
    )


def _part(content_type: str, text: str) -> str:
    """Returns the part with its own fields. Its lines have at most 76 characters, whatever the text's have."""
    if "\r" in text:
        text = _NEWLINES.sub("\n", text)
    if not text.endswith("\n"):
        text += "\n"
    data = text.encode(errors="replace")
    # Base64 is the shorter one where most characters are not ASCII.
    if len(data) - len(text) > len(data) // 6:
        encoding, encoded = "base64", encodebytes(data.replace(b"\n", b"\r\n"))
    else:
        encoding, encoded = "quoted-printable", b2a_qp(data)
    body = encoded.decode("ascii").replace("\n", "\r\n")
    return f"Content-Type: {content_type}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}"
