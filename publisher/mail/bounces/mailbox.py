"""The mailbox to which bounces go: its unread messages, and marks on those that were handled.

No message is ever deleted. One that was handled is marked as seen. One that could not be is flagged and stays unread,
for a person to look at; take the flag away, and it is read again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

# Messages that are read, recorded and marked together.
BATCH = 100


class Mark(StrEnum):
    """What becomes of a message: SEEN, since its report is recorded; FLAGGED, since it has none that is ours."""

    SEEN = "seen"
    FLAGGED = "flagged"


@dataclass(frozen=True, slots=True)
class BounceMessage:
    """A message in a mailbox. key: its name there. data: its first 256 KiB, in which a report stands."""

    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """A message that cannot be read, alone of the mailbox. It holds up no other, and is tried again by the next call.

    key: its name in the mailbox.
    reason: what the server or the operating system says, in a few words without an address.
    advice: what to do about it.
    """

    key: str
    reason: str
    advice: str


class BounceMailbox(Protocol):
    """An open mailbox. Every method raises MailboxUnavailable."""

    def unread(self) -> Iterator[Sequence[BounceMessage | UnreadableMessage]]:
        """Yields the messages that are neither seen nor flagged, in batches, the oldest first. It marks nothing.

        A message that arrives meanwhile may be left to the next call.
        """

    def mark(self, keys: Sequence[str], mark: Mark) -> None:
        """Marks messages. One that is gone by now is no error."""
