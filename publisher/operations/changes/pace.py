"""The pace of a long change: the size of its batches, and the pauses between them."""

from dataclasses import dataclass
from datetime import timedelta

# One statement changes no more routes, so that its locks are short and a stop is soon heard.
_LARGEST_BATCH = 500
# A given rate is spread over this many batches a second, so that no consumer sees a burst.
_BATCHES_A_SECOND = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast routes are changed. rate: routes a second at most, at least 1; None: no limit and no pauses."""

    rate: int | None = None

    @property
    def batch(self) -> int:
        """Routes a batch, 1 to 500."""
        if self.rate is None:
            return _LARGEST_BATCH
        return min(_LARGEST_BATCH, max(1, self.rate // _BATCHES_A_SECOND))

    def pause(self, done: int, spent: timedelta) -> timedelta:
        """The pause after a batch. Never negative: a slow batch is not made up for by a burst.

        done: routes that the batch changed.
        spent: the time that it took.
        """
        if self.rate is None:
            return timedelta(0)
        return max(timedelta(0), timedelta(seconds=done / self.rate) - spent)
