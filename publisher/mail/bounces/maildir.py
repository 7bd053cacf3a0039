"""A maildir: each message is a file, and its flags stand at the end of the file's name."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from publisher.domain.errors import MailboxUnavailable
from publisher.mail.bounces.mailbox import BATCH, BounceMessage, Mark, UnreadableMessage
from publisher.mail.reports.parts import LONGEST

_FLAGS = ":2,"
_MARKS = {Mark.SEEN: "S", Mark.FLAGGED: "F"}
_ADVICE = "let this user read the file, or move it out of the maildir"
# Seen, flagged, or to be deleted.
_DONE = set("SFT")
# Bytes of a name that can still get a flag: file systems take 255.
_LONGEST_NAME = 250


class Maildir:
    """An open maildir. See BounceMailbox."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def unread(self) -> Iterator[Sequence[BounceMessage | UnreadableMessage]]:
        """Yields the unread messages. Those that another process moves meanwhile are left out."""
        with _translated():
            # A file's name begins with the instant of its delivery.
            waiting = sorted(self._waiting(), key=lambda path: path.name)
        for start in range(0, len(waiting), BATCH):
            yield [message for path in waiting[start : start + BATCH] if (message := _read(path)) is not None]

    def mark(self, keys: Sequence[str], mark: Mark) -> None:
        """Moves the messages to `cur`, with one flag more."""
        with _translated():
            for key in keys:
                name, _, flags = Path(key).name.partition(_FLAGS)
                marked = "".join(sorted({*flags, _MARKS[mark]}))
                _move(self._folder / key, self._folder / "cur" / f"{name}{_FLAGS}{marked}")

    def _waiting(self) -> Iterator[Path]:
        yield from (path for path in (self._folder / "new").iterdir() if _is_message(path))
        for path in (self._folder / "cur").iterdir():
            if _is_message(path) and not _DONE & set(path.name.partition(_FLAGS)[2]):
                yield path


@contextmanager
def opened_maildir(folder: str) -> Iterator[Maildir]:
    """Opens the maildir. Raises MailboxUnavailable when it is read."""
    yield Maildir(Path(folder))


def _is_message(path: Path) -> bool:
    return not path.name.startswith(".") and path.is_file()


def _read(path: Path) -> BounceMessage | UnreadableMessage | None:
    """Reads the message. None: another process has moved it."""
    key = f"{path.parent.name}/{path.name}"
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        return UnreadableMessage(key, "its name is too long to be marked", "give the file a shorter name")
    try:
        with path.open("rb") as file:
            return BounceMessage(key, file.read(LONGEST))
    except FileNotFoundError:
        return None
    except OSError as error:
        return UnreadableMessage(key, (error.strerror or "it cannot be read").lower(), _ADVICE)


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except FileNotFoundError:
        # Another process has moved it.
        return


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MailboxUnavailable(f"the maildir cannot be read or changed: {error.strerror}") from error
