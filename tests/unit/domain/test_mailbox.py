"""Which texts are mailboxes, and how their addresses go out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.mailbox import Mailbox, parse_address, parse_mailbox


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("ann@example.com", Mailbox("", "ann", "example.com")),
        (" ann@example.com ", Mailbox("", "ann", "example.com")),
        ("Ann Lee <ann@example.com>", Mailbox("Ann Lee", "ann", "example.com")),
        ('"Lee, \\"Ann\\"" <ann@example.com>', Mailbox('Lee, "Ann"', "ann", "example.com")),
        ("Jörg ♞ <joerg@example.com>", Mailbox("Jörg ♞", "joerg", "example.com")),
        ("J. R. O'Lee <ann@example.com>", Mailbox("J. R. O'Lee", "ann", "example.com")),
        ('"" <ann@example.com>', Mailbox("", "ann", "example.com")),
        ("<ann@example.com>", Mailbox("", "ann", "example.com")),
    ],
)
def test_a_mailbox_is_read_with_its_name(text: str, mailbox: Mailbox) -> None:
    """The name may be quoted, or missing."""
    assert parse_mailbox(text) == mailbox


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("a+b.c_d@mail.example.com", "a+b.c_d@mail.example.com"),
        ("a..b.@example.com", "a..b.@example.com"),
        ('"a b"@example.com', '"a b"@example.com'),
        ("ann@[192.0.2.1]", "ann@[192.0.2.1]"),
        ("ann@localhost", "ann@localhost"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        # Since IDNA of 2008 these are domains of their own, and not fass.de and so on.
        ("ann@faß.de", "ann@xn--fa-hia.de"),
        ("ann@βόλος.example", "ann@xn--nxasmm1c.example"),
        ("jörg@example.com", "jörg@example.com"),
    ],
)
def test_an_address_goes_out_with_its_domain_in_ascii(text: str, address: str) -> None:
    """Every mail server understands an international domain as its A-labels."""
    found = parse_address(text)

    assert found is not None
    assert found.address == address


def test_only_a_local_part_beyond_ascii_needs_smtputf8() -> None:
    """An international domain alone goes to every server (RFC 6531)."""
    international, local = parse_address("ann@bücher.example"), parse_address("jörg@example.com")

    assert international is not None
    assert local is not None
    assert (international.needs_smtputf8, local.needs_smtputf8) == (False, True)


@pytest.mark.parametrize(
    "text",
    [
        *("", "ann", "@", "ann@", "@example.com", "ann lee@example.com", "ann@exam ple.com", "ann@example..com"),
        *("ann@-example.com", "ann@" + "x" * 64 + ".com", "a" * 250 + "@example.com", "ann@<example.com>"),
        *(
            "ann@example.com\r\nBcc: eve@example.com",
            "ann\0@example.com",
            "ann@example.com\u2028",
            "a\u200bb@example.com",
        ),
        *(
            "ann@exämple.com\n",
            "ann,eve@example.com",
            "ann@é..com",
            'a"b@example.com',
            "ann@\ud800.com",
            "\ud800@b.com",
        ),
    ],
)
def test_what_mail_cannot_be_sent_to_is_no_address(text: str) -> None:
    """Neither a line break nor a second recipient passes as part of an address."""
    assert parse_address(text) is None
    assert parse_mailbox(f"Ann <{text}>") is None


@pytest.mark.parametrize(
    "text",
    [
        "Ann <ann@example.com>, Bob <bob@example.com>",
        "ann@example.com, Bob <bob@example.com>",
        "<ann@example.com>, <bob@example.com>",
        '"Ann" <ann@example.com>, "Bob" <bob@example.com>',
        "Example, Inc. <ann@example.com>",
        'Ann "Bob" Lee <ann@example.com>',
        '"Ann <ann@example.com>',
        '"Ann\\" <ann@example.com>',
        "Ann (Lee) <ann@example.com>",
    ],
)
def test_two_mailboxes_are_not_read_as_one(text: str) -> None:
    """A name with one of the signs that part mailboxes must be quoted (RFC 5322)."""
    assert parse_mailbox(text) is None


@given(st.text(st.characters(codec=None)))
def test_any_text_is_an_address_that_is_one_word_or_none(text: str) -> None:
    """Whatever a producer sends, an address never ends its line, and has its domain in ASCII."""
    found = parse_address(f"{text}@example.com") or parse_address(f"ann@{text}")

    if found is not None:
        assert found.address.isprintable()
        assert found.domain.isascii()
        assert len(found.address.encode()) <= 254
