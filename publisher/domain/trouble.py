"""What keeps a process from its work, as it tells the others."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Trouble:
    """A server that a process needs is away.

    error: the last error, for people, without addresses.
    since: when the first one happened, by the clock of the process.
    """

    error: str
    since: datetime
