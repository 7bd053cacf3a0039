"""Maildirs for tests: made, filled and looked at as a mail server does."""

import uuid
from pathlib import Path


def made_maildir(folder: Path) -> Path:
    """Makes an empty maildir, and returns its folder."""
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    return folder


def deliver(folder: Path, message: bytes, name: str | None = None) -> Path:
    """Puts a message in the maildir, under a name of its own."""
    path = folder / "new" / (name or f"1773480413.{uuid.uuid4().hex}.host")
    path.write_bytes(message)
    return path


def names(folder: Path, part: str) -> list[str]:
    """The names of the files in `new` or `cur`, sorted."""
    return sorted(path.name for path in (folder / part).iterdir() if not path.name.startswith("."))


def unreadable(folder: Path, name: str) -> None:
    """Puts a message in the maildir that nobody can read, root neither: no process has anything at address 0."""
    (folder / "new" / name).symlink_to("/proc/self/mem")
