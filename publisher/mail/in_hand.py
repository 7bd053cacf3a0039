"""The deliveries that this process has begun and not recorded yet, and until when each is its own (R33).

Times are seconds of a monotonic clock. Used by the event loop alone.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta

from publisher.domain.rate_limit import RateLimit
from publisher.mail.delivery import Delivery
from publisher.mail.waiting import wait_at_most

# A transaction that begins with less than this left might end after its lease.
_MARGIN = 0.2

# Messages in hand for each connection: enough that none waits while outcomes are recorded.
_FOR_EACH_CONNECTION = 10
# Under a rate no more than go out in so many seconds: what waits longer for its turn waits on the stream.
_SECONDS_AT_RATE = 10


def most_in_hand(connections: int, rate: RateLimit | None) -> int:
    """Returns how many messages one process has in hand at most. rate: of its messages; None: there is no limit."""
    most = connections * _FOR_EACH_CONNECTION
    return most if rate is None else min(most, rate.burst + int(rate.per_second * _SECONDS_AT_RATE))


class InHand:
    """The deliveries in hand.

    most: so many messages at most.
    left: entries that stay pending with this process, since another one is at work on their delivery. While they are
        kept from the others, nobody counts a delivery of them: they kill no reader.
    ttl: how long a lease lasts. The clock starts before PostgreSQL is asked: so a lease ends here before it does there.
    """

    def __init__(self, most: int, ttl: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._ttl = ttl.total_seconds()
        self._clock = clock
        self._deliveries: dict[str, Delivery] = {}
        self._until: dict[str, float] = {}
        self.left: set[str] = set()
        self._fewer = asyncio.Event()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._deliveries)

    def __contains__(self, delivery_id: str) -> bool:
        """Whether this delivery is in hand."""
        return delivery_id in self._deliveries

    @property
    def room(self) -> int:
        """How many more messages may be begun."""
        return self._most - len(self._deliveries)

    @property
    def deliveries(self) -> Sequence[str]:
        """The delivery ids."""
        return list(self._deliveries)

    @property
    def entries(self) -> Sequence[str]:
        """The entries that are pending with this process: those of deliveries in hand, and those that were left."""
        entries = (delivery.entry_id for delivery in self._deliveries.values())
        return [*(entry_id for entry_id in entries if entry_id is not None), *self.left]

    def now(self) -> float:
        """Returns the clock, to be read before a lease is asked for."""
        return self._clock()

    def add(self, deliveries: Iterable[Delivery], asked_at: float) -> None:
        """Takes these messages in hand, under leases that were asked for at that time."""
        for delivery in deliveries:
            self._deliveries[delivery.delivery_id] = delivery
            self._until[delivery.delivery_id] = asked_at + self._ttl

    def renewed(self, asked: Collection[str], held: Collection[str], asked_at: float) -> None:
        """Notes which of the leases that were asked for at that time are held. The others are lost."""
        for delivery_id in asked:
            if delivery_id in self._until:
                self._until[delivery_id] = asked_at + self._ttl if delivery_id in held else 0.0

    def is_ours(self, delivery: Delivery) -> bool:
        """Whether a transaction may begin: nobody else can have begun this delivery by now."""
        return self._clock() < self._until.get(delivery.delivery_id, 0.0) - self._ttl * _MARGIN

    def remove(self, deliveries: Iterable[Delivery]) -> None:
        """Lets these messages go."""
        for delivery in deliveries:
            self._deliveries.pop(delivery.delivery_id, None)
            self._until.pop(delivery.delivery_id, None)
        self._fewer.set()

    async def wait_for_fewer(self, seconds: float) -> None:
        """Returns once some were let go, or after so many seconds."""
        self._fewer.clear()
        await wait_at_most(self._fewer, seconds)
