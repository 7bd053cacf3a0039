"""The operations of the model test: each done on the real service and on the model, and compared."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

from actors.maintenance import audit_published
from publisher.domain.attempt import (
    DeadLettered,
    Failure,
    Published,
    Rescheduled,
    after_failure,
    after_lost_leases,
)
from publisher.domain.errors import EncodingError
from publisher.streams.append_result import Appended
from publisher.streams.outbound import Delivery, witness_key
from storage import claims, dead_letters, outcomes
from storage.claims import Claim
from storage.dead_letters import DeadLetterFilter
from storage.intents import accept
from tests.factories import INTENTS
from tests.faults.comparison import LEASE_TTL, Comparison, same
from tests.faults.model_intents import Entry, arrive, prepared
from tests.integration.rows import execute

T = TypeVar("T")


def operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """One operation: counted, and all compared after it."""

    @wraps(function)
    def call(self: "Operations", *arguments: Any) -> Any:
        self.stage.operations[function.__name__] += 1
        result = function(self, *arguments)
        self.compare()
        return result

    return call


def of_a_claim(function: Callable[["Operations", Claim], None]) -> Callable[..., Any]:
    """One operation on a claim, counted back from the newest; nothing if there was none yet."""

    @wraps(function)
    def call(self: "Operations", back: int) -> None:
        if self.claims:
            operation(function)(self, self.claims[-1 - back % len(self.claims)])

    return call


class Operations(Comparison):
    """What can be done to both. Those that nobody decorated are made of others."""

    # Producers and intake.

    def intents_arrive(self, entries: Sequence[Entry]) -> None:
        """New entries on the stream."""
        self.batches.append([(f"{self.entries + place}-0", entry) for place, entry in enumerate(entries)])
        self.entries += len(entries)
        self.intents_are_read(self.batches[-1])

    def intents_are_read_again(self, back: int) -> None:
        """Entries whose acknowledgement was lost."""
        self.intents_are_read(self.batches[-1 - back % len(self.batches)])

    @operation
    def intents_are_read(self, batch: Sequence[tuple[str, Entry]]) -> None:
        intents, malformed = prepared(batch, self.channels)
        expected = arrive(self.model, batch)
        got = accept(self.database, INTENTS, intents, malformed)
        same({i.entry_id for i in got.accepted}, set(expected["accepted"]))
        same({i.entry_id for i in got.duplicates}, set(expected["duplicate"]))
        same({m.entry_id for m in got.malformed}, {*expected["conflict"], *expected["malformed"]})
        self.stage.results.update({f"intent {word}": len(ids) for word, ids in expected.items()})

    # Workers, a step at a time.

    @operation
    def claim_due(self, channel: str, limit: int) -> None:
        claimable = self.model.claimable(channel)
        claim = claims.claim_due(self.database, channel, limit=limit, lease_ttl=LEASE_TTL)
        self._claimed(claim, {id_: state.losses_if_claimed for id_, state in claimable.items()}, limit)

    @operation
    def claim_these(self, channel: str, picks: Sequence[int]) -> None:
        picked = self._picked(sorted(self.keys), picks)
        claimable = self.model.claimable(channel)
        ids = [self.keys[id_] for id_ in picked] + [0]
        claim = claims.claim_these(self.database, channel, ids, lease_ttl=LEASE_TTL)
        losses = {id_: claimable[id_].losses_if_claimed for id_ in picked if id_ in claimable}
        self._claimed(claim, losses, len(ids))

    @of_a_claim
    def append(self, claim: Claim) -> None:
        deliveries = self._encoded(claim)
        channel = self.channels[claim.routes[0].route.channel]
        for delivery, result in zip(deliveries, self.streams.append(channel, deliveries), strict=True):
            assert isinstance(result, Appended), result
            known = self.model.witnesses.get(delivery.delivery_id, result.entry_id)
            first = self.model.append(delivery.delivery_id, result.entry_id)
            same(result, Appended(known, first))
            self.appended[claim.token, delivery.delivery_id] = result.entry_id
            self.stage.results["command appended" if first else "append found its witness"] += 1

    @of_a_claim
    def complete(self, claim: Claim) -> None:
        published = [
            Published(c.route, self.appended[claim.token, c.route.delivery_id])
            for c in claim.routes
            if (claim.token, c.route.delivery_id) in self.appended
        ]
        got = outcomes.complete_published(self.database, claim.token, published)
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
            same(outcomes.complete_published(self.database, token, [Published(r, "1-1") for r in routes]), set())
            self.stage.results["stale: published"] += len(routes)

    @of_a_claim
    def fail(self, claim: Claim) -> None:
        classification = self.channels[claim.routes[0].route.channel].stream_failure
        failure = Failure.of(classification, "the model says so")
        ended = [after_failure(c.route, failure, self.publisher._backoff, 0.0) for c in claim.routes]
        again = [o for o in ended if isinstance(o, Rescheduled)]
        dead = [o for o in ended if isinstance(o, DeadLettered)]
        got = outcomes.complete_failed(self.database, claim.token, again)
        got_dead = outcomes.complete_dead_lettered(self.database, claim.token, dead)
        for word, keys, some in (("failed", got, again), ("dead-lettered", got_dead, dead)):
            fails = {o.route: self.model.fail(claim.token, o.route.delivery_id, classification) for o in some}
            self._changed(word, keys, fails)

    @of_a_claim
    def give_up_suspects(self, claim: Claim) -> None:
        dead = [outcome for c in claim.routes if (outcome := after_lost_leases(c.route))]
        got = outcomes.complete_dead_lettered(self.database, claim.token, dead)
        buried = {
            o.route: self.model.bury(claim.token, o.route.delivery_id, "lease_expired", o.attempt_count) for o in dead
        }
        self._changed("dead-lettered", got, buried)

    @of_a_claim
    def release(self, claim: Claim) -> None:
        got = claims.release(self.database, claim.token, claim.ids)
        released = {c.route: self.model.release(claim.token, c.route.delivery_id) for c in claim.routes}
        self._changed("released", got, released)

    def workers_die(self, channel: str, times: int) -> None:
        """A route kills its worker, and the next, and the next (R5a)."""
        for _ in range(times):
            self.claim_due(channel, 1)
            self.lease_expires(0)

    # Workers, whole.

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

    # Time, operators, and Redis.

    @of_a_claim
    def lease_expires(self, claim: Claim) -> None:
        past = "lease_expires_at = statement_timestamp() - interval '1 second'"
        execute(self.database, f"UPDATE routes SET {past} WHERE lease_token = %s", claim.token)
        self.model.expire(claim.token)

    @operation
    def time_passes(self) -> None:
        past = "next_attempt_at = date_trunc('milliseconds', statement_timestamp()) - interval '1 second'"
        execute(self.database, f"UPDATE routes SET {past} WHERE next_attempt_at IS NOT NULL")
        self.model.pass_time()

    @operation
    def operator_requeues(self, picks: Sequence[int]) -> None:
        letters = dead_letters.list_dead_letters(self.database, DeadLetterFilter(requeued=None), before=None, limit=99)
        picked = self._picked(sorted(letters, key=lambda letter: letter.id), picks)
        waiting = {f"{p.notification_id}/{p.route_id}" for p in picked if p.requeued_at is None}
        got = dead_letters.requeue(self.database, [p.id for p in picked] + [0], "model")
        same({r.id for r in got}, {self.keys[id_] for id_ in waiting})
        for delivery_id in waiting:
            self.model.requeue(delivery_id)
        self.stage.results["requeued"] += len(waiting)

    @operation
    def redis_loses(self, picks: Sequence[int]) -> None:
        lost = self._picked(sorted(self.model.witnesses), picks)
        for delivery_id in lost:
            stream = self.channels[self.model.routes[delivery_id].channel].stream
            self.redis.delete(witness_key(stream, delivery_id))
            self.redis.xdel(stream, *self.model.commands[delivery_id])
        self.model.lose(lost)

    @operation
    def redis_is_emptied(self) -> None:
        self.redis.flushdb()
        self.model.lose(list(self.model.witnesses))
        self.model.audited.clear()

    @operation
    def loss_audit(self, channel: str, later: bool) -> None:
        if later:
            execute(self.database, "UPDATE stream_audits SET audited_at = audited_at - interval '1 hour'")
            self.model.audited.clear()
        before = self.model.published(channel)
        audit_published(channel)
        self.model.audit(channel)
        self.stage.results["returned by the audit"] += before - self.model.published(channel)

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
            deliveries.append(Delivery(route.delivery_id, command))
        return deliveries

    def _picked(self, things: Sequence[T], picks: Sequence[int]) -> list[T]:
        """Some of these: those at the places, counted around."""
        return [things[place] for place in sorted({pick % len(things) for pick in picks})] if things else []
