"""The model: how routes, streams and records must stand after each operation, in plain dicts (R3 to R12a)."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from tests.faults.model_cancellations import Cancellations
from tests.faults.model_route import RouteState, Seen

LEASE_LOSS_LIMIT = 5


@dataclass
class Model(Cancellations):
    """The whole service. Routes and commands are by delivery id, witnesses by that and the replay.

    A witness is the entry id of its command, or the tombstone of a route that ended without one: `expired`, also of one
    that was cancelled, or `dead:n` of a dead letter of the life after n requeues.
    held: the recipients whose routes are held.
    """

    contents: dict[str, int] = field(default_factory=dict)
    malformed: dict[str, str] = field(default_factory=dict)
    dead_letters: list[tuple[str, str, int]] = field(default_factory=list)
    commands: dict[str, list[str]] = field(default_factory=dict)
    witnesses: dict[tuple[str, int], str] = field(default_factory=dict)
    ever_lost: set[str] = field(default_factory=set)
    audited: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)

    def accept(self, entry_id: str, notification_id: str, content: int, routes: Mapping[str, RouteState]) -> str:
        """What must become of an intent: accepted, duplicate or conflict (R18)."""
        if notification_id not in self.contents:
            self.contents[notification_id] = content
            self.routes |= {f"{notification_id}/{route_id}": state for route_id, state in routes.items()}
            self.arrive_cancelled(notification_id)
            return "accepted"
        if self.contents[notification_id] == content:
            return "duplicate"
        self.malformed[entry_id] = "idempotency_conflict"
        return "conflict"

    def claimable(self, channel: str) -> dict[str, RouteState]:
        """The routes that are due, free, to be sent still, and not held (R4, R5, R28, R29)."""
        return {
            id_: state
            for id_, state in self.routes.items()
            if state.channel == channel and state.due and state.is_free and not (state.late or state.marked)
            if not self.is_held(id_)
        }

    def handed_over(self, token: str, channel: str) -> dict[str, RouteState]:
        """The routes that are leased under the token of this handover, and could otherwise be claimed."""
        return {
            id_: state
            for id_, state in self.routes.items()
            if (state.channel, state.holder) == (channel, token) and state.due
            if not (state.expired or state.late or state.marked or self.is_held(id_))
        }

    def is_held(self, delivery_id: str) -> bool:
        """True if a hold matches the route's recipient (R29)."""
        return delivery_id.partition("/")[2].partition(":")[2] in self.held

    def ending(self, channel: str) -> list[str]:
        """The open, free routes whose deadline has passed, or that are to be cancelled."""
        return [
            id_
            for id_, state in self.routes.items()
            if state.channel == channel and state.due is not None and state.is_free and (state.late or state.marked)
        ]

    def take(self, token: str, delivery_id: str) -> RouteState:
        """A route is leased."""
        state = self.routes[delivery_id]
        state.losses, state.holder, state.expired, state.begun = state.losses_if_claimed, token, False, True
        state.touched = True
        return state

    def hand_over(self, token: str, notification_id: str) -> None:
        """The routes that an intent has just made are leased for the worker that gets the message (R14)."""
        for delivery_id, state in self.routes.items():
            if delivery_id.startswith(notification_id) and state.status == "pending":
                state.holder, state.expired, state.begun, state.touched = token, False, False, True

    def append(self, delivery_id: str, replay: int, requeues: int, entry_id: str | None) -> tuple[str, str]:
        """What must become of an append, and what is found or written in the place of the witness (R12).

        `appended`: as this entry. `known`: the first one's entry. `ended`: a tombstone says that no command may follow.
        """
        found = self.witnesses.get((delivery_id, replay))
        if found is not None and not _is_tombstone(found):
            return "known", found
        if found == "expired" or (found is not None and int(found.removeprefix("dead:")) >= requeues):
            return "ended", found
        assert entry_id is not None, f"{delivery_id} must have been appended"
        self.witnesses[delivery_id, replay] = entry_id
        self.commands.setdefault(delivery_id, []).append(entry_id)
        return "appended", entry_id

    def end(self, delivery_id: str, tombstone: str) -> str | None:
        """The last look before a route ends: the entry of its command if that stands, else there is a tombstone."""
        key = delivery_id, self.routes[delivery_id].replay
        if not _is_tombstone(self.witnesses.get(key, "dead:")):
            return self.witnesses[key]
        self.witnesses[key] = tombstone
        return None

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
        """Given up, if this token holds the route, and it is not to be cancelled (R3, R8, R28)."""
        if self.routes[delivery_id].marked:
            return False
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
        is_lost = state.losses >= LEASE_LOSS_LIMIT
        if is_lost or (not state.encodes and state.attempts + 1 >= state.max_attempts):
            if standing := self.end(delivery_id, f"dead:{state.requeues}"):
                self.publish("attempt", delivery_id, standing)
            elif is_lost:
                self.bury("attempt", delivery_id, "lease_expired", state.attempts)
            else:
                self.fail("attempt", delivery_id, "payload_encoding_failed")
        elif not state.encodes:
            self.fail("attempt", delivery_id, "payload_encoding_failed")
        else:
            word, entry = self.append(delivery_id, state.replay, state.requeues, entry_id)
            assert word != "ended", f"{delivery_id} is open and has the tombstone {entry}"
            self.publish("attempt", delivery_id, entry)
        return state.status

    def end_without_attempt(self, delivery_id: str) -> str:
        """A route ends: published if its command stands, else cancelled or expired (R3). Returns its status."""
        word = "cancelled" if self.take("deadline", delivery_id).marked else "expired"
        if standing := self.end(delivery_id, "expired"):
            self.publish("deadline", delivery_id, standing)
        else:
            self._end("deadline", delivery_id, word)
        return self.routes[delivery_id].status

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

    def lose(self, witnesses: Collection[tuple[str, int]]) -> None:
        """Redis forgets these witnesses and their commands together."""
        for delivery_id, replay in witnesses:
            entry = self.witnesses.pop((delivery_id, replay))
            entries = [kept for kept in self.commands.pop(delivery_id, []) if kept != entry]
            if entries:
                self.commands[delivery_id] = entries
            self.ever_lost.add(delivery_id)

    def audit(self, channel: str) -> None:
        """Published routes of which Redis knows nothing are pending again, with all their attempts (R12a).

        Not if it looked a moment ago, and Redis is the same.
        """
        if channel in self.audited:
            return
        self.audited.add(channel)
        for delivery_id, state in self.routes.items():
            witness = self.witnesses.get((delivery_id, state.replay), "dead:")
            if state.channel == channel and state.status == "published" and _is_tombstone(witness):
                state.status, state.attempts, state.due, state.entry = "pending", 0, True, None

    def requeue(self, delivery_id: str) -> None:
        """An operator takes a dead letter back (R3)."""
        state = self.routes[delivery_id]
        state.status, state.attempts, state.losses, state.due, state.marked = "pending", 0, 0, True, False
        state.requeues += 1

    def republish(self, delivery_id: str) -> bool:
        """An operator has a route published again, if it is published and not past its deadline (R3)."""
        state = self.routes[delivery_id]
        if state.status != "published" or state.late:
            return False
        state.status, state.attempts, state.losses, state.due, state.entry = "pending", 0, 0, True, None
        state.replay += 1
        state.marked = False
        return True

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


def _is_tombstone(witness: str) -> bool:
    return witness == "expired" or witness.startswith("dead:")
