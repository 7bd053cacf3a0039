"""Operations of time, operators and Redis in the model test: each done to the service and to the model."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from actors.maintenance import audit_published
from publisher.streams.keys import witness_key
from storage import dead_letters, republishing
from storage.claiming.claims import Claim
from storage.dead_letters import DeadLetterFilter, DeadLetterRecord
from storage.holds import HoldCriteria, add_hold, list_holds, remove_hold
from storage.republishing import PublishedFilter
from tests.faults.model_cancel_operations import CancelOperations
from tests.faults.model_comparison import same
from tests.faults.model_worker_operations import of_a_claim, operation
from tests.integration.rows import execute

# After everything that was ever published.
_ALWAYS = datetime(9999, 1, 1, tzinfo=UTC)


class Operations(CancelOperations):
    """All that can be done to both. Those that nobody decorated are made of others."""

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
        picked, asked = self._picked_letters(picks)
        waiting = {id_ for id_ in asked if not self.model.routes[id_].late and not self.model.routes[id_].discarded}
        got = dead_letters.requeue(self.database, [p.id for p in picked] + [0], "model")
        same({r.id for r in got}, {self.keys[id_] for id_ in waiting})
        for delivery_id in waiting:
            self.model.requeue(delivery_id)
        self.environment.results["requeued"] += len(waiting)

    @operation
    def operator_discards(self, picks: Sequence[int]) -> None:
        picked, asked = self._picked_letters(picks)
        waiting = {id_ for id_ in asked if not self.model.routes[id_].discarded}
        got = dead_letters.discard(self.database, [p.id for p in picked] + [0], "model")
        same(len(got), len(waiting))
        for delivery_id in waiting:
            self.model.routes[delivery_id].discarded = True
        self.environment.results["discarded"] += len(waiting)

    def _picked_letters(self, picks: Sequence[int]) -> tuple[list[DeadLetterRecord], set[str]]:
        """Some dead letters, and those of their routes that are dead letters by one of these."""
        letters = dead_letters.list_dead_letters(self.database, DeadLetterFilter(requeued=None), before=None, limit=999)
        newest = {f"{letter.notification_id}/{letter.route_id}": letter.id for letter in reversed(letters)}
        picked = self._picked(letters[::-1], picks)
        ids = {p.id for p in picked}
        dead = {id_ for id_, state in self.model.routes.items() if state.status == "dead_letter"}
        return picked, {id_ for id_ in dead if newest[id_] in ids}

    def operator_republishes(self, picks: Sequence[int]) -> None:
        """Some routes, of which not all can be published again."""
        self.republish(self._picked(sorted(self.keys), picks))

    @operation
    def republish(self, delivery_ids: Sequence[str]) -> None:
        for delivery_id in delivery_ids:
            notification_id, _, route_id = delivery_id.partition("/")
            matching = PublishedFilter(until=_ALWAYS, notification_id=notification_id, route_id=route_id)
            channel = self.model.routes[delivery_id].channel
            got = republishing.republish(self.database, channel, matching, after=None, limit=10)
            expected = self.model.republish(delivery_id)
            same(got.count, int(expected))
            self.environment.results["republished" if expected else "not republished"] += 1

    def deadline_passes(self, picks: Sequence[int]) -> None:
        """Some routes are too late from now on."""
        self.too_late(self._picked(self._in_time(), picks))

    @operation
    def too_late(self, delivery_ids: Sequence[str]) -> None:
        for delivery_id in delivery_ids:
            past = "expires_at = date_trunc('milliseconds', statement_timestamp()) - interval '1 second'"
            execute(self.database, f"UPDATE routes SET {past} WHERE id = %s", self.keys[delivery_id])
            self.model.routes[delivery_id].late = True

    @operation
    def deadlines_end(self, channel: str) -> None:
        ending = self.model.ending(channel)
        while self.publisher.end_routes(channel):
            pass
        ended = Counter(self.model.end_without_attempt(id_) for id_ in ending)
        for notification_id in self.model.cancellations:
            self.model.answer(notification_id)
        self.environment.results.update({f"deadline: {status}": count for status, count in ended.items()})

    def deadline_overtakes_a_worker(self, channel: str, is_late: bool) -> None:
        """A worker sleeps from its claim to its append, or to its completion, beyond its lease and a deadline.

        What was appended before is published then, and too late to be published again.
        """
        self.claim_due(channel, 6)
        if not self.claims:
            return
        if not is_late:
            self.append(0)
        self.lease_expires(0)
        taken = {claimed.route.delivery_id for claimed in self.claims[-1].routes}
        self.too_late([id_ for id_ in self._in_time() if id_ in taken])
        self.deadlines_end(channel)
        self.append_and_complete(0)
        self.republish(sorted(taken))

    @operation
    def operator_holds(self, picks: Sequence[int]) -> None:
        recipients = sorted({id_.partition("/")[2].partition(":")[2] for id_ in self.keys})
        for recipient in self._picked(recipients, picks[:2]):
            add_hold(self.database, HoldCriteria(recipient_ref=recipient), "the model says so", "model")
            self.model.held.add(recipient)

    @operation
    def holds_are_removed(self) -> None:
        for hold in list_holds(self.database):
            remove_hold(self.database, hold.id)
        self.model.held.clear()

    @operation
    def redis_loses(self, picks: Sequence[int]) -> None:
        lost = self._picked(sorted(self.model.witnesses), picks)
        for delivery_id, replay in lost:
            stream = self.channels[self.model.routes[delivery_id].channel].stream
            self.redis.delete(witness_key(stream, delivery_id, replay))
            if self.model.witnesses[delivery_id, replay] in self.model.commands.get(delivery_id, ()):
                self.redis.xdel(stream, self.model.witnesses[delivery_id, replay])
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
        self.environment.results["returned by the audit"] += before - self.model.published(channel)

    def workers_die(self, channel: str, times: int) -> None:
        """A route kills its worker, and the next, and the next (R5a)."""
        for _ in range(times):
            self.claim_due(channel, 1)
            self.lease_expires(0)

    def _in_time(self) -> list[str]:
        """The routes with a deadline that has not passed."""
        return sorted(id_ for id_, state in self.model.routes.items() if state.late is False)
