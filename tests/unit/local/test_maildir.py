"""Messages are kept in a maildir that mail programs read, and found again by their delivery."""

import mailbox
from pathlib import Path

import pytest

from publisher.local.maildir import KeptMessage, Maildir, count_messages, kept_messages


def kept(folder: Path) -> list[tuple[str | None, str]]:
    """The delivery and the recipient of each message."""
    return [(message.delivery_id, message.recipient) for message in kept_messages(folder)]


def test_a_message_is_read_by_mail_programs(tmp_path: Path) -> None:
    """With its envelope above its own header."""
    Maildir(tmp_path).keep(
        b"Subject: Hi\r\nX-Delivery-Id: n/1\r\n\r\nHello\r\n", "bounces@x.example", ["ann@x.example"]
    )

    (message,) = mailbox.Maildir(tmp_path, create=False)

    assert message.items() == [
        ("Return-Path", "<bounces@x.example>"),
        ("Delivered-To", "ann@x.example"),
        ("Subject", "Hi"),
        ("X-Delivery-Id", "n/1"),
    ]
    assert message.get_payload() == "Hello\n"


@pytest.mark.parametrize(
    ("header", "delivery_id"),
    [
        (b"X-Delivery-Id: n/1\r\nTo: a\r\n", "n/1"),
        (b"To: a\r\nx-delivery-id:n/1  \r\n", "n/1"),
        (b"X-Delivery-Id: 0123456789/\r\n abcdef\r\nTo: a\r\n", "0123456789/abcdef"),
        (b"To: a\r\n", None),
        (b"To: a\r\n\r\nX-Delivery-Id: in the text\r\n", None),
    ],
)
def test_a_message_is_found_by_its_delivery(tmp_path: Path, header: bytes, delivery_id: str | None) -> None:
    """The header alone counts, also where a field is folded."""
    Maildir(tmp_path).keep(header + b"\r\nHello\r\n", "", ["jürgen@x.example"])

    assert kept(tmp_path) == [(delivery_id, "jürgen@x.example")]


def test_messages_are_found_in_the_order_they_came(tmp_path: Path) -> None:
    """Also those that a mail program has read since."""
    maildir = Maildir(tmp_path)
    for number in range(12):
        maildir.keep(b"X-Delivery-Id: n/%d\r\n\r\n" % number, "", ["a@x.example"])
    seen: KeptMessage = next(kept_messages(tmp_path))
    seen.path.rename(tmp_path / "cur" / f"{seen.path.name}:2,S")

    assert [delivery_id for delivery_id, _ in kept(tmp_path)] == [f"n/{number}" for number in range(12)]
    assert count_messages(tmp_path) == 12


def test_a_maildir_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """Nothing was sent yet."""
    assert (count_messages(tmp_path / "none"), kept(tmp_path / "none")) == (0, [])


def test_half_a_message_is_never_seen(tmp_path: Path) -> None:
    """If the disk is full, the sender is told, and nothing stays."""
    maildir = Maildir(tmp_path)
    (tmp_path / "new").rmdir()

    with pytest.raises(OSError, match="No such file"):
        maildir.keep(b"Subject: Hi\r\n\r\n", "", ["a@x.example"])

    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_mail_is_its_owners_alone(tmp_path: Path) -> None:
    """Other users of the machine cannot read it."""
    Maildir(tmp_path / "mail")

    assert (tmp_path / "mail").stat().st_mode & 0o777 == 0o700
