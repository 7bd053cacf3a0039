"""The message of a command, read back by the standard library's parser."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.domain.mailbox import Mailbox
from publisher.mail.messages.faults import AddressFault
from publisher.mail.messages.message import Letter, Message, build_message, unsubscribe_url
from publisher.mail.messages.references import find_reference, reference_of
from tests.unit.mail.messages.commands import DELIVERY, command

KEY = b"a key"
SENDER = Mailbox("The Shop", "noreply", "shop.example")
HEADERS = [
    *("From", "To", "Subject", "Date", "Message-ID", "X-Delivery-Id", "Auto-Submitted", "MIME-Version"),
    "Content-Type",
]
# Line breaks of every kind, what ends a header, a boundary, an encoded word, an address, and what is right to left.
PIECES = [
    *("\r\n", "\r", "\n", "\0", "\x0b", "\x85", "\u2028", " ", "  ", "\t", "Bcc: eve@example.com", "\r\n\r\n"),
    *("=?utf-8?b?", "?=", "--=_", ".", "\n.\n", '"', "\\", "<", ">", ",", ";", ":", "=", "é", "😀", "مرحبا", "\u202e"),
    *("\ud800", "x" * 80),
]
hostile = st.lists(st.sampled_from(PIECES) | st.text(st.characters(codec=None), max_size=8), max_size=8).map("".join)
few = settings(max_examples=50)


def built(letter: Letter, sender: Mailbox = SENDER, **members: Any) -> Message:
    """The message of a command."""
    message = build_message(command(**members), letter, sender, reference_of(DELIVERY, KEY))
    assert isinstance(message, Message)
    return message


def parsed(message: Message) -> EmailMessage:
    """The message as a mail program reads it."""
    return cast("EmailMessage", message_from_bytes(message.data, policy=default))


def body(message: EmailMessage, kind: str) -> str:
    """The decoded body of this kind."""
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def addresses_of(message: EmailMessage, header: str) -> Any:
    """The addresses in a header."""
    return message[header].addresses


def normal(text: str) -> str:
    """A body as it arrives: its lines end in a line feed, the last one as well."""
    text = text.encode(errors="replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    return text if text.endswith("\n") else f"{text}\n"


def test_a_whole_message() -> None:
    """Sender, recipient, subject, date and both bodies stand where a mail program looks for them."""
    message = built(Letter("Your turn, Zoë", "Hello Zoë\n", "<p>Hello Zoë</p>"))
    mail = parsed(message)

    assert list(mail.keys()) == HEADERS
    assert (mail["From"], mail["To"], mail["Subject"]) == (
        "The Shop <noreply@shop.example>",
        "ann@example.com",
        "Your turn, Zoë",
    )
    assert mail["Date"] == "Sat, 14 Mar 2026 09:26:53 +0000"
    assert (mail["X-Delivery-Id"], mail["Auto-Submitted"]) == (DELIVERY, "auto-generated")
    assert mail.get_content_type() == "multipart/alternative"
    assert (body(mail, "plain"), body(mail, "html")) == ("Hello Zoë\n", "<p>Hello Zoë</p>\n")
    assert (message.recipient, message.sender) == ("ann@example.com", "noreply@shop.example")
    assert not message.needs_smtputf8
    reference = find_reference(mail["Message-ID"])
    assert reference is not None
    assert reference.is_of(DELIVERY, KEY)
    assert mail["Message-ID"] == message.message_id


def test_a_template_without_html_makes_one_part() -> None:
    """A text alone is no multipart message."""
    mail = parsed(built(Letter("Hi", "Hello\n")))

    assert (mail.get_content_type(), body(mail, "plain")) == ("text/plain", "Hello\n")


@few
@given(hostile, hostile, hostile)
def test_no_text_adds_a_header_or_changes_the_bodies(subject: str, text: str, html: str) -> None:
    """Whatever a variable holds, the headers are those that every message has, and the bodies arrive as rendered."""
    message = built(Letter(subject, text, html))
    mail = parsed(message)

    assert list(mail.keys()) == HEADERS
    assert mail["To"] == "ann@example.com"
    assert not any("\r" in value or "\n" in value for value in mail.values())
    assert mail["Subject"].split() == " ".join(_without_controls(subject)).split()
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert (body(mail, "plain"), body(mail, "html")) == (normal(text), normal(html))


def _without_controls(text: str) -> list[str]:
    breaks = {*map(chr, range(0x21)), *map(chr, range(0x7F, 0xA0)), "\u2028", "\u2029"}
    clean = "".join(" " if c in breaks else c for c in text.encode(errors="replace").decode())
    return clean.split(" ")


@few
@given(hostile, hostile, hostile)
def test_every_line_is_as_smtp_wants_it(subject: str, text: str, name: str) -> None:
    """CRLF ends each line, no line has more than 998 octets, and no octet is NUL or beyond ASCII (RFC 5321)."""
    message = built(Letter(subject, text, text), Mailbox(name, "noreply", "shop.example"))

    lines = message.data.split(b"\r\n")
    assert lines[-1] == b""
    assert not any(set(line) & {0, 10, 13} for line in lines)
    assert max(map(len, lines)) <= 998
    assert message.data.isascii()


@few
@given(hostile.filter(lambda name: bool("".join(_without_controls(name)))))
def test_a_name_beside_an_address_is_a_name(name: str) -> None:
    """A display name adds no address, whatever characters it has."""
    reply_to = Mailbox(name, "help", "shop.example")
    mail = parsed(built(Letter("Hi", "Hello", sender=reply_to, reply_to=(SENDER, reply_to))))

    for header, addresses in (("From", ["help"]), ("Reply-To", ["noreply", "help"])):
        found = addresses_of(mail, header)
        assert [address.username for address in found] == addresses
        # The parser of Python 3.11 shows a space between two encoded words of a name.
        assert "".join(found[-1].display_name.split()) == "".join("".join(_without_controls(name)).split())


def test_a_name_with_quotation_marks_is_quoted() -> None:
    """So is one with a comma or a backslash."""
    name = 'Lee, "Ann" \\ Sons'
    mail = parsed(built(Letter("Hi", "Hello"), Mailbox(name, "noreply", "shop.example")))

    assert [address.display_name for address in addresses_of(mail, "From")] == [name]


@few
@given(hostile, hostile)
def test_the_same_command_makes_the_same_bytes(subject: str, text: str) -> None:
    """A message that is sent again is the message that was sent (R22, R33)."""
    letter = Letter(subject, text, f"<p>{text}</p>")

    assert built(letter) == built(letter)


@pytest.mark.parametrize(
    "subject",
    [
        "x" * 5000,
        "word " * 300,
        "מזל טוב, תורך לשחק! " * 20,
        "🎲" * 200,
        "=?utf-8?b?SGVsbG8=?=",
        "a" * 77,
        "",
        "Zoë",
        "a: b\r\nX-Evil: 1",
    ],
)
def test_a_subject_of_any_length_arrives(subject: str) -> None:
    """It is folded, and encoded where it must be; what looks encoded already is shown as it is."""
    message = built(Letter(subject, "Hello"))

    assert parsed(message)["Subject"] == " ".join(subject.split())
    lines = message.data.decode().split("\r\n")
    assert [line for line in lines if len(line) > (76 if "=?" in line else 78) and "a" * 77 not in line] == []


def test_an_address_beyond_ascii_needs_a_server_that_takes_it() -> None:
    """A local part has no form in ASCII: the message says that it needs SMTPUTF8. Domains have one."""
    local = built(Letter("Hi", "Hello"), to=["jörg@bücher.example"])
    domain = built(Letter("Hi", "Hello"), to=["ann@bücher.example"])

    assert (local.needs_smtputf8, local.recipient) == (True, "jörg@xn--bcher-kva.example")
    assert parsed(local)["To"] == "jörg@xn--bcher-kva.example"
    assert (domain.needs_smtputf8, domain.recipient) == (False, "ann@xn--bcher-kva.example")
    assert built(Letter("Hi", "Hello"), Mailbox("", "büro", "shop.example")).needs_smtputf8


@pytest.mark.parametrize("address", ["ann", "ann lee@example.com", "ann@exam_ple..com", "<ann@example.com>"])
def test_an_address_that_smtp_cannot_carry_makes_no_message(address: str) -> None:
    """The fault is the recipient's, and names no address (R36)."""
    fault = build_message(command(to=[address]), Letter("Hi", "Hello"), SENDER, reference_of(DELIVERY, KEY))

    assert isinstance(fault, AddressFault)
    assert "ann" not in fault.message
    assert fault.fault == "recipient"


def test_the_command_says_where_answers_go_before_the_template_does() -> None:
    """reply_to of the command, else that of the template."""
    letter = Letter("Hi", "Hello", reply_to=(Mailbox("", "help", "shop.example"),))

    assert parsed(built(letter))["Reply-To"] == "help@shop.example"
    assert parsed(built(letter, reply_to=["Ann <ann@example.com>"]))["Reply-To"] == "Ann <ann@example.com>"


def test_one_click_unsubscribes() -> None:
    """An https URL is promised to take the POST of RFC 8058; mailto stands beside it."""
    urls = ("https://shop.example/u?t=1,2", "mailto:u@shop.example")
    both = parsed(built(Letter("Hi", "Hello", unsubscribe=urls)))
    mailto = parsed(built(Letter("Hi", "Hello", unsubscribe=urls[1:])))

    assert both["List-Unsubscribe"] == f"<{urls[0]}>, <{urls[1]}>"
    assert both["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (mailto["List-Unsubscribe"], mailto["List-Unsubscribe-Post"]) == (f"<{urls[1]}>", None)


@few
@given(hostile)
def test_no_variable_breaks_out_of_an_unsubscribe_url(token: str) -> None:
    """Line breaks and angle brackets in it are percent-encoded."""
    url = unsubscribe_url(f"https://shop.example/u?token={token}")
    if url is None:
        return
    mail = parsed(built(Letter("Hi", "Hello", unsubscribe=(url,))))

    assert mail["List-Unsubscribe"] == f"<{url}>"
    assert [name for name in mail if name not in HEADERS] == [
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "Content-Transfer-Encoding",
    ]


@pytest.mark.parametrize(
    "text", ["", "http://shop.example", "javascript:alert(1)", "https:///u", "u@shop.example", "https://s/" + "x" * 900]
)
def test_only_https_and_mailto_unsubscribe(text: str) -> None:
    """Mail programs open nothing else, and no line has room for a longer one."""
    assert unsubscribe_url(text) is None
