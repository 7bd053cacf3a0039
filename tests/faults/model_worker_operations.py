"""Operations of producers and workers in the model test: each done to the service and to the model."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar

from publisher.domain.attempt import (
    DeadLettered,
    Failure,
    Published,
    Rescheduled,
    after_failure,
    after_lost_leases,
)
from publisher.domain.errors import EncodingError
from publisher.publishing.sharing import Sharing
from publisher.streams.append_result import Appended, ended
from publisher.streams.outbound import Delivery
from storage.claiming import claims, leases
from storage.claiming.claims import Claim
from storage.claiming.handover import Handover
from storage.outcomes import outcomes
from tests.factories import INTENTS, accept
from tests.faults.model_comparison import LEASE_TTL, Comparison, Message, same
from tests.faults.model_intents import Entry, arrive, prepared
from tests.integration.rows import execute

T = TypeVar("T")
_APPENDS = {"appended": "command appended", "known": "append found its witness", "ended": "append found a tombstone"}


def operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """One operation: counted, and all compared after it."""

    @wraps(function)
    def call(self: "WorkerOperations", *arguments: Any) -> Any:
        self.environment.operations[function.__name__] += 1
        result = function(self, *arguments)
        self.compare()
        return result

    return call


def of_a_claim(function: Callable[[Any, Claim], None]) -> Callable[..., Any]:
    """One operation on a claim, counted back from the newest; nothing if there was none yet."""

    @wraps(function)
    def call(self: "WorkerOperations", back: int) -> None:
        if self.claims:
            operation(function)(self, self.claims[-1 - back % len(self.claims)])

    return call


def of_a_message(function: Callable[[Any, Message], None]) -> Callable[..., Any]:
    """One operation on a message of intake, counted back from the newest; nothing if there was none yet."""

    @wraps(function)
    def call(self: "WorkerOperations", back: int) -> None:
        if self.messages:
            operation(function)(self, self.messages[-1 - back % len(self.messages)])

    return call


class WorkerOperations(Comparison):
    """What they can do to both. Those that nobody decorated are made of others."""

    # Producers and intake.

    def intents_arrive(self, entries: Sequence[Entry], handed_over: bool) -> None:
        """New entries on the stream."""
        self.batches.append([(f"{self.entries + place}-0", entry) for place, entry in enumerate(entries)])
        self.entries += len(entries)
        self.intents_are_read(self.batches[-1], handed_over)

    def intents_are_read_again(self, back: int) -> None:
        """Entries whose acknowledgement was lost."""
        self.intents_are_read(self.batches[-1 - back % len(self.batches)], True)

    @operation
    def intents_are_read(self, batch: Sequence[tuple[str, Entry]], handed_over: bool) -> None:
        intents, malformed = prepared(batch, self.channels)
        streams = {name: channel.stream for name, channel in self.channels.items()}
        handover = Handover(streams, LEASE_TTL) if handed_over else None
        expected = arrive(self.model, batch, handover and handover.token)
        got = accept(self.database, INTENTS, intents, malformed, handover)
        self.messages += [Message(name, ids, handover.token) for name, ids in got.due.items() if handover]
        same({i.entry_id for i in got.accepted}, set(expected["accepted"]))
        same({i.entry_id for i in got.duplicates}, set(expected["duplicate"]))
        same({m.entry_id for m in got.malformed}, {*expected["conflict"], *expected["malformed"]})
        self.environment.results.update({f"intent {word}": len(ids) for word, ids in expected.items()})

    # Workers, a step at a time.

    @of_a_message
    def message_arrives(self, message: Message) -> None:
        # While there is any hold, what was handed over is claimed.
        handed_over = {} if self.model.held else self.model.handed_over(message.handover, message.channel)
        claim = claims.take_handed_over(self.database, *message, at_least=timedelta(0), at_most=LEASE_TTL)
        same({claimed.route.delivery_id for claimed in claim.routes}, set(handed_over))
        if claim.routes:
            self.claims.append(claim)
        self.environment.results["handed over"] += len(claim.routes)

    @of_a_message
    def message_is_lost(self, message: Message) -> None:
        past = "lease_expires_at = statement_timestamp() - interval '1 second'"
        execute(self.database, f"UPDATE routes SET {past} WHERE lease_token = %s", message.handover)
        self.model.expire(message.handover)

    @operation
    def claim_due(self, channel: str, limit: int) -> None:
        claimable = self.model.claimable(channel)
        stream = self.channels[channel].stream
        claim = claims.claim_due(self.database, channel, limit=limit, lease_ttl=LEASE_TTL, stream=stream)
        if claim.controlled:
            sharing = Sharing(self.database, self.publisher._policy)
            batch = sharing.claim(self.channels[channel], limit, hoped=False, through_parking=False)
            claim = claim if batch is None else batch.claim
        self.environment.results["claims by shares"] += bool(self.model.held)
        self._claimed(claim, {id_: state.losses_if_claimed for id_, state in claimable.items()}, limit)

    @operation
    def claim_these(self, channel: str, picks: Sequence[int]) -> None:
        picked = self._picked(sorted(self.keys), picks)
        claimable = self.model.claimable(channel)
        ids = [self.keys[id_] for id_ in picked] + [0]
        stream = self.channels[channel].stream
        claim = claims.claim_these(self.database, channel, ids, lease_ttl=LEASE_TTL, stream=stream)
        losses = {id_: claimable[id_].losses_if_claimed for id_ in picked if id_ in claimable}
        self._claimed(claim, losses, len(ids))

    @of_a_claim
    def append(self, claim: Claim) -> None:
        deliveries = self._encoded(claim)
        channel = self.channels[claim.routes[0].route.channel]
        for delivery, result in zip(deliveries, self.streams.append(channel, deliveries), strict=True):
            entry_id = result.entry_id if isinstance(result, Appended) else None
            word, found = self.model.append(delivery.delivery_id, delivery.replay, delivery.requeues, entry_id)
            if word == "ended":
                same(result, ended(found))
            else:
                same(result, Appended(found, first=word == "appended"))
                self.appended[claim.token, delivery.delivery_id] = found
            self.environment.results[_APPENDS[word]] += 1

    @of_a_claim
    def complete(self, claim: Claim) -> None:
        published = [
            Published(c.route, self.appended[claim.token, c.route.delivery_id])
            for c in claim.routes
            if (claim.token, c.route.delivery_id) in self.appended
        ]
        got = set(outcomes.complete(self.database, claim.token, published))
        self._changed(
            "published",
            got,
            {o.route: self.model.publish(claim.token, o.route.delivery_id, o.entry_id) for o in published},
        )

    def append_and_complete(self, back: int) -> None:
        """A worker to which nothing happens."""
        self.append(back)
        self.complete(back)

    @of_a_claim
    def complete_what_is_not_theirs(self, claim: Claim) -> None:
        misread = [replace(c.route, attempt_count=c.route.attempt_count + 1) for c in claim.routes]
        other = next((held for held in reversed(self.claims) if held is not claim), claim)
        foreign = [c.route for c in claim.routes if self.model.routes[c.route.delivery_id].holder != other.token]
        for token, routes in ((claim.token, misread), (other.token, foreign)):
            same(outcomes.complete(self.database, token, [Published(r, "1-1") for r in routes]), {})
            self.environment.results["stale: published"] += len(routes)

    @of_a_claim
    def fail(self, claim: Claim) -> None:
        classification = self.channels[claim.routes[0].route.channel].stream_failure
        failure = Failure.of(classification, "the model says so")
        ended = [after_failure(c.route, failure, self.publisher._policy.backoff, 0.0) for c in claim.routes]
        again = [o for o in ended if isinstance(o, Rescheduled)]
        dead = [o for o in ended if isinstance(o, DeadLettered)]
        got = set(outcomes.complete(self.database, claim.token, again))
        got_dead = set(outcomes.complete(self.database, claim.token, dead))
        for word, keys, some in (("failed", got, again), ("dead-lettered", got_dead, dead)):
            fails = {o.route: self.model.fail(claim.token, o.route.delivery_id, classification) for o in some}
            self._changed(word, keys, fails)

    @of_a_claim
    def give_up_suspects(self, claim: Claim) -> None:
        dead = [outcome for c in claim.routes if (outcome := after_lost_leases(c.route))]
        got = set(outcomes.complete(self.database, claim.token, dead))
        buried = {
            o.route: self.model.bury(claim.token, o.route.delivery_id, "lease_expired", o.attempt_count) for o in dead
        }
        self._changed("dead-lettered", got, buried)

    @of_a_claim
    def release(self, claim: Claim) -> None:
        got = leases.release(self.database, claim.token, claim.ids)
        released = {c.route: self.model.release(claim.token, c.route.delivery_id) for c in claim.routes}
        self._changed("released", got, released)

    # Workers, whole.

    @of_a_message
    def publish_handed_over(self, message: Message) -> None:
        reports = [self.publisher.publish_these(*message)]
        self._attempted(message.channel, reports, message.handover)

    @operation
    def publish_these(self, channel: str, picks: Sequence[int]) -> None:
        ids = [self.keys[id_] for id_ in self._picked(sorted(self.keys), picks)]
        self._attempted(channel, [self.publisher.publish_these(channel, ids)])

    @operation
    def publish_due(self, channel: str, drain: bool) -> None:
        due = set(self.model.claimable(channel))
        reports = [self.publisher.publish_due(channel)]
        while drain and reports[-1].more:
            reports.append(self.publisher.publish_due(channel))
        attempted = self._attempted(channel, reports)
        same(due - attempted if drain else set(), set())

    def _encoded(self, claim: Claim) -> list[Delivery]:
        deliveries = []
        for claimed in claim.routes:
            route = claimed.route
            try:
                command = self.channels[route.channel].command(claimed.notification, route)
            except EncodingError:
                assert not self.model.routes[route.delivery_id].encodes
                continue
            assert self.model.routes[route.delivery_id].encodes
            deliveries.append(Delivery(route.delivery_id, command, route.replay, route.requeues))
        return deliveries

    def _picked(self, things: Sequence[T], picks: Sequence[int]) -> list[T]:
        """Some of these: those at the places, counted around."""
        return [things[place] for place in sorted({pick % len(things) for pick in picks})] if things else []
