"""The leases of this process, under which it has deliveries in hand (R33)."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Leasing:
    """The leases of this process.

    token: unique to it.
    ttl: how long one lasts.
    takes_over: begins deliveries that a process which died may have sent; False: an operator decides about them.
    """

    token: str
    ttl: timedelta
    takes_over: bool
