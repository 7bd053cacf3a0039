"""How long one call to a server may take, and how long a witness outlives its attempt."""

from dataclasses import dataclass
from datetime import timedelta

# The parts of a lease, counted from before the claim, within which each step of a batch may begin. So a batch of any
# size ends within its lease.
#
# ENCODED    encoding another route; one is always encoded.
# TRUSTED    the first call with commands. Later the process was paused, or all was slow: the lease might be another's
#            before the commands are appended.
# BEGUN      each further call with commands. A call takes a quarter at most.
# LAST_LOOK  the look for commands of dead letters, which takes an eighth. Recording takes three eighths.
ENCODED = 1 / 4
TRUSTED = 3 / 8
BEGUN = 1 / 3
LAST_LOOK = 1 / 2


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one call to a server may take, so that a whole attempt ends within its lease.

    An attempt waits for its claim, appends at most twice, and completes at most twice, each time connecting anew:
    1/8 + 2 × (1/16 + 1/16) + 2 × (1/16 + 1/8) of the lease, three quarters together. After a lost reply it
    also looks once for what it recorded, which takes 1/16 + 1/8.
    """

    connect: timedelta
    statement: timedelta
    redis: timedelta

    @property
    def step(self) -> timedelta:
        """The longest that an attempt waits in one step, without a sign of progress: for a statement asked twice, or
        for a message to a queue, whose client waits three seconds (see `publisher.bootstrap`), connecting anew."""
        return max(2 * (self.connect + self.statement), timedelta(seconds=6))

    @classmethod
    def within(cls, lease_ttl: timedelta) -> "Timeouts":
        """The timeouts that fit this lease, and never longer than a person would wait."""
        return cls(
            connect=min(timedelta(seconds=3), lease_ttl / 16),
            statement=min(timedelta(seconds=7), lease_ttl / 8),
            redis=min(timedelta(seconds=3), lease_ttl / 16),
        )


# The servers' clocks may run apart by so much of the time.
_DRIFT = 0.001


def witness_after_lease(dedup_window: timedelta, lease_ttl: timedelta) -> timedelta:
    """How long after the end of its lease a published route's witness is sure to live (R12a).

    It was set, or renewed, after the claim, and that was a lease's time before the lease ends. Negative where the lease
    is nearly as long as the window.
    """
    return dedup_window * (1 - _DRIFT) - lease_ttl


def audit_interval(window: timedelta) -> timedelta:
    """How long after the end of an audit the next one is due, while Redis stays the same."""
    return window / 2
