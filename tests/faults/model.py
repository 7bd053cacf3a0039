"""What routes, streams and records must be after each operation: plain dicts, no SQL, no Redis (R3 to R12a)."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

LEASE_LOSS_LIMIT = 5


class Seen(NamedTuple):
    """What can be seen of a route. due and expired are None where nothing is scheduled or leased."""

    status: str
    attempts: int
    due: bool | None
    holder: str | None
    expired: bool | None
    losses: int
    entry: str | None
    failure: str | None


@dataclass
class RouteState:
    """A route as it must stand. encodes: whether its notification makes a command (R23)."""

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

    @property
    def seen(self) -> Seen:
        """What must be seen of it."""
        return Seen(*(getattr(self, name) for name in Seen._fields))

    @property
    def losses_if_claimed(self) -> int:
        """Taking over a lease that ran out is one more loss (R5a)."""
        return self.losses + (self.holder is not None)


@dataclass
class Model:
    """The whole service. Routes, commands and witnesses are by delivery id."""

    contents: dict[str, int] = field(default_factory=dict)
    routes: dict[str, RouteState] = field(default_factory=dict)
    malformed: dict[str, str] = field(default_factory=dict)
    dead_letters: list[tuple[str, str, int]] = field(default_factory=list)
    commands: dict[str, list[str]] = field(default_factory=dict)
    witnesses: dict[str, str] = field(default_factory=dict)
    ever_lost: set[str] = field(default_factory=set)
    audited: set[str] = field(default_factory=set)

    def accept(self, entry_id: str, notification_id: str, content: int, routes: Mapping[str, RouteState]) -> str:
        """What must become of an intent: accepted, duplicate or conflict (R18)."""
        if notification_id not in self.contents:
            self.contents[notification_id] = content
            self.routes |= {f"{notification_id}/{route_id}": state for route_id, state in routes.items()}
            return "accepted"
        if self.contents[notification_id] == content:
            return "duplicate"
        self.malformed[entry_id] = "idempotency_conflict"
        return "conflict"

    def claimable(self, channel: str) -> dict[str, RouteState]:
        """The routes that are due and free (R4, R5)."""
        return {
            id_: state
            for id_, state in self.routes.items()
            if state.channel == channel and state.due and (state.holder is None or state.expired)
        }

    def take(self, token: str, delivery_id: str) -> RouteState:
        """A route is leased."""
        state = self.routes[delivery_id]
        state.losses, state.holder, state.expired = state.losses_if_claimed, token, False
        return state

    def append(self, delivery_id: str, entry_id: str) -> bool:
        """A command is appended, unless the delivery is known (R12). Returns whether it must have been."""
        if delivery_id in self.witnesses:
            return False
        self.witnesses[delivery_id] = entry_id
        self.commands.setdefault(delivery_id, []).append(entry_id)
        return True

    def publish(self, token: str, delivery_id: str, entry_id: str) -> bool:
        """Recorded as published, if this token holds the route (R8)."""
        return self._end(token, delivery_id, "published", entry=entry_id)

    def fail(self, token: str, delivery_id: str, failure: str) -> bool:
        """A failed attempt is recorded, if this token holds the route (R3, R8)."""
        state = self.routes[delivery_id]
        attempts = state.attempts + 1
        if attempts >= state.max_attempts:
            return self.bury(token, delivery_id, failure, attempts)
        return self._end(token, delivery_id, "failed", attempts=attempts, due=False, failure=failure)

    def bury(self, token: str, delivery_id: str, failure: str, attempts: int) -> bool:
        """Given up, if this token holds the route (R3, R8)."""
        if not self._end(token, delivery_id, "dead_letter", attempts=attempts, failure=failure):
            return False
        self.dead_letters.append((delivery_id, failure, attempts))
        return True

    def release(self, token: str, delivery_id: str) -> bool:
        """Given back, if this token holds the route: nothing is counted (R5)."""
        state = self.routes[delivery_id]
        if state.holder != token:
            return False
        state.holder = state.expired = None
        return True

    def attempt(self, delivery_id: str, entry_id: str | None) -> str:
        """A whole attempt: its claim, its end, and what stands on the stream then. Returns the status after it."""
        state = self.take("attempt", delivery_id)
        if state.losses >= LEASE_LOSS_LIMIT:
            self.bury("attempt", delivery_id, "lease_expired", state.attempts)
        elif not state.encodes:
            self.fail("attempt", delivery_id, "payload_encoding_failed")
        else:
            assert entry_id is not None, f"{delivery_id} was attempted and does not stand on its stream"
            self.append(delivery_id, entry_id)
            self.publish("attempt", delivery_id, self.witnesses[delivery_id])
        return state.status

    def expire(self, token: str) -> None:
        """The lease's time is over: it is free for the next claim, and counts nothing by itself (R5)."""
        for state in self.routes.values():
            if state.holder == token:
                state.expired = True

    def pass_time(self) -> None:
        """Every open route has become due."""
        for state in self.routes.values():
            if state.due is not None:
                state.due = True

    def lose(self, delivery_ids: Collection[str]) -> None:
        """Redis forgets these commands and their witnesses together."""
        for delivery_id in delivery_ids:
            self.commands.pop(delivery_id, None)
            self.witnesses.pop(delivery_id, None)
            self.ever_lost.add(delivery_id)

    def audit(self, channel: str) -> None:
        """Published routes of which Redis knows nothing are pending again, with all their attempts (R12a).

        Not if it looked a moment ago, and Redis is the same.
        """
        if channel in self.audited:
            return
        self.audited.add(channel)
        for delivery_id, state in self.routes.items():
            if state.channel == channel and state.status == "published" and delivery_id not in self.witnesses:
                state.status, state.attempts, state.due, state.entry = "pending", 0, True, None

    def requeue(self, delivery_id: str) -> None:
        """An operator takes a dead letter back (R3)."""
        state = self.routes[delivery_id]
        state.status, state.attempts, state.losses, state.due = "pending", 0, 0, True

    def published(self, channel: str) -> int:
        """How many routes of the channel are published."""
        return sum(state.channel == channel and state.status == "published" for state in self.routes.values())

    def differences(self, seen: Mapping[str, Seen]) -> Iterator[str]:
        """Every route that is not as it must be."""
        for delivery_id in seen.keys() | self.routes.keys():
            state = self.routes.get(delivery_id)
            expected = None if state is None else state.seen
            if seen.get(delivery_id) != expected:
                yield f"{delivery_id} is {seen.get(delivery_id)}, not {expected}"

    def _end(self, token: str, delivery_id: str, status: str, **changes: object) -> bool:
        state = self.routes[delivery_id]
        if state.holder != token:
            return False
        state.status, state.due, state.losses, state.holder, state.expired = status, None, 0, None, None
        for name, value in changes.items():
            setattr(state, name, value)
        return True
