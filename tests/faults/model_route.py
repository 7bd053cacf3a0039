"""One route of the model: its expected state, and the part of that state that can be observed."""

from dataclasses import dataclass
from typing import NamedTuple


class Seen(NamedTuple):
    """What can be seen of a route. due and expired are None where nothing is scheduled or leased.

    late: whether its deadline has passed; None: it has none.
    marked: whether it is to be cancelled, or was.
    """

    status: str
    attempts: int
    due: bool | None
    holder: str | None
    expired: bool | None
    losses: int
    entry: str | None
    failure: str | None
    late: bool | None
    replay: int
    requeues: int
    marked: bool


@dataclass
class RouteState:
    """A route as it must stand.

    encodes: whether its notification makes a command (R23).
    discarded: whether its dead letter was discarded, so that it stays one.
    begun: whether its holder has claimed it, and was not just handed it over.
    touched: whether an attempt may ever have been begun of it.
    """

    channel: str
    encodes: bool
    max_attempts: int
    status: str = "pending"
    attempts: int = 0
    due: bool | None = True
    holder: str | None = None
    expired: bool | None = None
    losses: int = 0
    entry: str | None = None
    failure: str | None = None
    late: bool | None = None
    replay: int = 0
    requeues: int = 0
    marked: bool = False
    discarded: bool = False
    begun: bool = True
    touched: bool = False

    @property
    def is_free(self) -> bool:
        """Whether nobody holds it: a lease that ran out is free (R5)."""
        return self.holder is None or bool(self.expired)

    @property
    def seen(self) -> Seen:
        """What must be seen of it."""
        return Seen(*(getattr(self, name) for name in Seen._fields))

    @property
    def losses_if_claimed(self) -> int:
        """Taking over a claim that ran out is one more loss (R5a), and a handover that ran out is none."""
        return self.losses + (self.holder is not None and self.begun)
