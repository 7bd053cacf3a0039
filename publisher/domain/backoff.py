"""Computes how long a failed route waits for its next attempt (R9)."""

from dataclasses import dataclass
from datetime import timedelta

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff between two bounds. Raises ValueError unless 0 < minimum <= maximum.

    minimum: the wait after the first failure.
    maximum: the longest wait.
    jitter: True takes a random part of each wait, so that routes that failed together do not come back together.
    """

    minimum: timedelta
    maximum: timedelta
    jitter: bool = False

    def __post_init__(self) -> None:
        if not timedelta(0) < self.minimum <= self.maximum:
            raise ValueError(f"backoff needs 0 < minimum <= maximum, got {self.minimum} and {self.maximum}")

    def delay(self, failed_attempts: int, roll: float) -> timedelta:
        """Returns the wait after the nth failed attempt: min(maximum, minimum × 2^(n−1)), whole milliseconds (R9).

        failed_attempts: n, this failure included. Raises ValueError below 1.
        roll: a random number in [0, 1), used with jitter alone: the wait is then uniform over (0, full wait].
        """
        if failed_attempts < 1:
            raise ValueError(f"a backoff follows at least one failed attempt, got {failed_attempts}")
        # After so many doublings the maximum applies. Without this bound, 2 ** n of a huge n would be computed in vain.
        doublings = min(failed_attempts - 1, (self.maximum // self.minimum).bit_length())
        full: timedelta = min(self.maximum, self.minimum * 2**doublings)
        if self.jitter:
            full -= full * roll
        return full // MILLISECOND * MILLISECOND
