"""How fast a long action goes: small batches, and pauses between them."""

from dataclasses import dataclass
from datetime import timedelta

# What one statement may change, so that it locks briefly and an interruption is soon heard.
_LARGEST_BATCH = 500
# A given rate is spread over this many batches a second, so that no consumer sees a burst.
_BATCHES_A_SECOND = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """rate: so many a second at most, 1 or more; None: as fast as it goes."""

    rate: int | None = None

    @property
    def batch(self) -> int:
        """How many to change at once, 1 to 500."""
        if self.rate is None:
            return _LARGEST_BATCH
        return min(_LARGEST_BATCH, max(1, self.rate // _BATCHES_A_SECOND))

    def pause(self, done: int, spent: timedelta) -> timedelta:
        """How long to wait after a batch that changed so many in this time.

        Never negative: what a slow batch is behind is not made up for by a burst.
        """
        if self.rate is None:
            return timedelta(0)
        return max(timedelta(0), timedelta(seconds=done / self.rate) - spent)
