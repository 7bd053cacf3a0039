"""A mailbox that is a maildir on this machine."""

from pathlib import Path

import pytest

from publisher.domain.errors import MailboxUnavailable
from publisher.mail.bounces.mailbox import BATCH, BounceMessage, Mark, UnreadableMessage
from publisher.mail.bounces.opening import open_mailbox
from publisher.settings.mailbox_url import read_mailbox_url
from tests.maildirs import deliver, made_maildir, names, unreadable


def test_unread_messages_are_read_oldest_first_and_marked(tmp_path: Path) -> None:
    """A seen one moves to cur, a flagged one too; neither is read again, and none is deleted."""
    folder = made_maildir(tmp_path / "box")
    for name in ("2.b", "1.a"):
        deliver(folder, b"Subject: x\n\n", name)
    (folder / "cur" / "0.read:2,S").write_bytes(b"")
    (folder / "cur" / "3.opened:2,R").write_bytes(b"")
    (folder / "new" / ".hidden").write_bytes(b"")

    with open_mailbox(read_mailbox_url(f"maildir://{folder}")) as mailbox:
        [batch] = list(mailbox.unread())
        assert [m.key for m in batch] == ["new/1.a", "new/2.b", "cur/3.opened:2,R"]
        assert names(folder, "new") == ["1.a", "2.b"]
        mailbox.mark(["new/1.a", "cur/3.opened:2,R"], Mark.SEEN)
        mailbox.mark(["new/2.b"], Mark.FLAGGED)
        assert list(mailbox.unread()) == []

    assert names(folder, "cur") == ["0.read:2,S", "1.a:2,S", "2.b:2,F", "3.opened:2,RS"]


def test_what_another_process_moved_is_left_out(tmp_path: Path) -> None:
    """A message that was handled meanwhile is neither read nor marked, and no error."""
    folder = made_maildir(tmp_path / "box")
    for number in range(BATCH + 1):
        deliver(folder, b"", f"{number:04}")

    with open_mailbox(read_mailbox_url(str(folder))) as mailbox:
        batches = mailbox.unread()
        first = next(batches)
        (folder / "new" / f"{BATCH:04}").rename(folder / "cur" / f"{BATCH:04}:2,S")
        (folder / "new" / "0000").unlink()
        mailbox.mark([m.key for m in first], Mark.SEEN)
        assert [len(batch) for batch in batches] == [0]

    assert len(names(folder, "cur")) == BATCH


def test_a_name_that_has_no_room_for_a_flag_holds_up_no_other(tmp_path: Path) -> None:
    """Its message would be read again and again: it is named instead, with what to do."""
    folder = made_maildir(tmp_path / "box")
    for name in ("1.a", "2." + "b" * 250, "3.c"):
        deliver(folder, b"Subject: x\n\n", name)

    with open_mailbox(read_mailbox_url(str(folder))) as mailbox:
        [batch] = list(mailbox.unread())

    assert [type(message) for message in batch] == [BounceMessage, UnreadableMessage, BounceMessage]


def test_a_file_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    """It is named with the reason, and is tried again by the next look."""
    folder = made_maildir(tmp_path / "box")
    for name in ("1.a", "3.c"):
        deliver(folder, b"Subject: x\n\n", name)
    unreadable(folder, "2.b")

    with open_mailbox(read_mailbox_url(str(folder))) as mailbox:
        [batch] = list(mailbox.unread())
        assert [message.key for message in batch] == ["new/1.a", "new/2.b", "new/3.c"]
        assert batch[1] == UnreadableMessage(
            "new/2.b", "input/output error", "let this user read the file, or move it out of the maildir"
        )
        mailbox.mark(["new/1.a", "new/3.c"], Mark.SEEN)
        assert [[message.key for message in batch] for batch in mailbox.unread()] == [["new/2.b"]]


def test_a_maildir_that_is_gone_is_said_so(tmp_path: Path) -> None:
    """In one line."""
    folder = made_maildir(tmp_path / "box")
    url = read_mailbox_url(str(folder))
    (folder / "new").rmdir()

    with (
        open_mailbox(url) as mailbox,
        pytest.raises(MailboxUnavailable, match="the maildir cannot be read or changed: No such file or directory"),
    ):
        list(mailbox.unread())
