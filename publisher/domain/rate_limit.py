"""A channel's rate limit: how it is written, and when a channel that waits for it is worth another look (R30)."""

import math
import re
from dataclasses import dataclass
from datetime import timedelta

# Seconds of each unit. The first is tried first when a limit is worded.
_UNITS = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*([smh])", re.ASCII)
_WITH_BURST = re.compile(r"(.*?)(?:\s+burst\s+(\d+))?", re.DOTALL)
_SLOWEST = 0.01 / 3600
_FASTEST = 1_000_000.0
_LARGEST_BURST = 1_000_000
# A channel that waits is looked at again when tokens of so many seconds are there: so few looks publish so many routes.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many commands may be appended to a channel's stream: never more than rate × time + burst in any window.

    per_second: the rate, of commands a second.
    burst: how many commands may follow one another at once after a quiet time. At least 1.
    """

    per_second: float
    burst: int

    def __str__(self) -> str:
        """Words the limit as `parse_limit` reads it: `14/s burst 28`."""
        return f"{self.rate} burst {self.burst}"

    @property
    def rate(self) -> str:
        """Words the rate in the first unit that makes it a short number: `14/s`, `30/m`, `10000/h`."""
        for unit, seconds in _UNITS.items():
            count = self.per_second * seconds
            if count >= 1 and math.isclose(count, round(count, 2), rel_tol=1e-9):
                return f"{round(count, 2):.12g}/{unit}"
        return f"{self.per_second * 3600:.6g}/h"

    def share_of(self, partitions: int) -> "RateLimit":
        """Returns the limit of each of so many partitions: all together keep to this one.

        But for a burst below their number: each may append one command at once.
        """
        return self if partitions == 1 else RateLimit(self.per_second / partitions, max(1, self.burst // partitions))

    def takes(self, count: int) -> timedelta:
        """Returns how long so many commands take at the rate, without a burst."""
        return timedelta(seconds=count / self.per_second)

    def goal(self, batch: int) -> float:
        """Returns for how many tokens a channel that waits is looked at again.

        So many that a look is worth its statements, and so few that the bucket is not full before the look comes.
        batch: how many routes a claim takes at most.
        """
        return max(1.0, min(float(batch), self.burst / 2, self.per_second * _LOOK_SECONDS))

    def wait(self, tokens: float, batch: int) -> timedelta:
        """Returns how long it takes until the goal is reached, at least a millisecond. tokens: those there are now."""
        seconds = (self.goal(batch) - tokens) / self.per_second
        return timedelta(milliseconds=max(1, math.ceil(seconds * 1000)))


def parse_rate(text: str, burst: int | None = None) -> RateLimit:
    """Reads a rate: `14/s`, `600/m`, `10000/h`, decimals too.

    burst: None: one second's worth, at least 2. With a burst of 1 the token that comes while a look is late is lost, so
        that less than the rate goes.
    Raises ValueError with the rule that is broken, which a sentence can begin with the name of the value.
    """
    found = _RATE.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError("must be a number of commands a second, minute or hour, such as 14/s, 600/m or 10000/h")
    per_second = float(found[1]) / _UNITS[found[2]]
    if not _SLOWEST <= per_second <= _FASTEST:
        raise ValueError("must be from 0.01/h to 1000000/s")
    if burst is None:
        burst = max(2, math.ceil(per_second))
    if not 1 <= burst <= _LARGEST_BURST:
        raise ValueError(f"must have a burst from 1 to {_LARGEST_BURST}")
    return RateLimit(per_second, burst)


def parse_limit(text: str) -> RateLimit:
    """Reads a rate that a burst may follow: `14/s`, `14/s burst 28`. Raises ValueError as `parse_rate`."""
    found = _WITH_BURST.fullmatch(text.strip().lower())
    try:
        if found is None or found[2] is None:
            return parse_rate(text)
        return parse_rate(found[1], int(found[2][:9]))
    except ValueError as error:
        raise ValueError(f"{error}; a burst may follow: 14/s burst 28") from error
