"""Keeps messages in a maildir, as mail programs read it, and finds them again by delivery (see `publisher demo`)."""

import itertools
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_DELIVERY_ID = re.compile(rb"^X-Delivery-Id:[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE | re.IGNORECASE)
_RECIPIENT = re.compile(rb"\AReturn-Path: .*\nDelivered-To: (.*)")
# The fields that are looked for stand at the top: few messages have a longer header.
_HEADER = 8192


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message in a maildir.

    delivery_id: as its X-Delivery-Id names it; None: it names none.
    recipient: to whom the envelope was addressed.
    """

    path: Path
    delivery_id: str | None
    recipient: str


class Maildir:
    """Writes messages into one maildir, which is made if it is missing. One process may use several at once."""

    def __init__(self, folder: Path) -> None:
        for part in ("tmp", "new", "cur"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        # Mail is its owner's alone.
        folder.chmod(0o700)
        self._tmp, self._new = folder / "tmp", folder / "new"
        self._host = f"{os.getpid()}.localhost"
        self._numbers = itertools.count()

    def keep(self, content: bytes, return_path: str, recipients: Sequence[str]) -> None:
        """Writes the message, with its envelope above its header. Nobody sees half a message. Raises OSError."""
        name = f"{time.time_ns()}.{next(self._numbers)}_{self._host}"
        above = f"Return-Path: <{return_path}>\n" + "".join(f"Delivered-To: {to}\n" for to in recipients)
        path = self._tmp / name
        try:
            with path.open("xb") as file:
                # Maildirs have the line ends of the system.
                file.write(above.encode(errors="surrogateescape") + content.replace(b"\r\n", b"\n"))
            path.rename(self._new / name)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def count_messages(folder: Path) -> int:
    """How many messages the maildir holds; 0 if there is none."""
    return sum(1 for _ in _paths(folder))


def kept_messages(folder: Path) -> Iterator[KeptMessage]:
    """Every message of the maildir, the oldest first. Reads the top of each alone."""
    for path in sorted(_paths(folder), key=lambda path: path.name):
        with path.open("rb") as file:
            header = file.read(_HEADER).partition(b"\n\n")[0]
        delivery, recipient = _DELIVERY_ID.search(header), _RECIPIENT.search(header)
        yield KeptMessage(
            path,
            re.sub(r"\n[ \t]", "", delivery[1].decode(errors="replace")).strip() if delivery else None,
            recipient[1].decode(errors="replace") if recipient else "",
        )


def _paths(folder: Path) -> Iterator[Path]:
    for part in ("new", "cur"):
        try:
            yield from (folder / part).iterdir()
        except FileNotFoundError:
            continue
