"""Divides a lease into timeouts, and computes how long a witness outlives its attempt (R5, R12a)."""

from dataclasses import dataclass
from datetime import timedelta

# Until which part of the lease, counted from before the claim, each step of a batch may begin. With these bounds a
# batch of any size ends within its lease.
#
# ENCODED    encode another route. One route is always encoded.
# TRUSTED    append the first commands. After that the process was paused or everything was slow, and the lease might
#            be another worker's before the commands are appended.
# BEGUN      append further commands. One call takes a quarter of the lease at most.
# LAST_LOOK  look for commands of dead letters, which takes an eighth. Recording takes three eighths.
ENCODED = 1 / 4
TRUSTED = 3 / 8
BEGUN = 1 / 3
LAST_LOOK = 1 / 2


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of single calls to a server. Together they let a whole attempt end within its lease (R5).

    An attempt claims once, appends at most twice and records at most twice, with a new connection each time:
    1/8 + 2 × (1/16 + 1/16) + 2 × (1/16 + 1/8) of the lease, three quarters together. After a lost reply it also checks
    once whether its outcomes were recorded, which takes 1/16 + 1/8.

    connect: opening a connection to PostgreSQL.
    statement: one statement.
    redis: opening a connection to Redis, and one call to it.
    """

    connect: timedelta
    statement: timedelta
    redis: timedelta

    @property
    def step(self) -> timedelta:
        """The longest time that an attempt shows no progress: one statement sent twice, each over a new connection.

        At least six seconds: sending a message to a queue takes so long when its client connects anew.
        """
        return max(2 * (self.connect + self.statement), timedelta(seconds=6))

    @classmethod
    def within(cls, lease_ttl: timedelta) -> "Timeouts":
        """Returns the timeouts that fit this lease. None is longer than seven seconds."""
        return cls(
            connect=min(timedelta(seconds=3), lease_ttl / 16),
            statement=min(timedelta(seconds=7), lease_ttl / 8),
            redis=min(timedelta(seconds=3), lease_ttl / 16),
        )


# The fraction of a duration by which the clocks of two servers may differ.
_DRIFT = 0.001


def witness_after_lease(dedup_window: timedelta, lease_ttl: timedelta) -> timedelta:
    """Returns how long after the end of its lease a published route's witness is sure to live (R12a).

    The witness is set or renewed after the claim, and the claim is one lease before the lease's end. The result is
    negative if the lease is nearly as long as the window.
    """
    return dedup_window * (1 - _DRIFT) - lease_ttl


def audit_interval(window: timedelta) -> timedelta:
    """Returns how long after the end of an audit the next one is due, as long as Redis is not replaced."""
    return window / 2
