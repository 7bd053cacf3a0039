"""A claim on its way: the outcomes decided for its routes, and their recording, each on its own (R8, R10, R11)."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from publisher.domain.attempt import DeadLettered, Expired, Failure, Published, Rescheduled
from publisher.domain.channel import Channel
from publisher.domain.errors import DatabaseRefused, DatabaseUnavailable, PublisherError
from publisher.domain.notification import Route
from publisher.process.telemetry import Telemetry
from publisher.publishing.outcome_log import OutcomeLog
from storage import claims, outcomes
from storage.claims import Claim
from storage.database import Database
from storage.recorded import already_recorded

_log = structlog.get_logger()
AnyOutcome = Published | Rescheduled | DeadLettered | Expired
Outcome = TypeVar("Outcome", Published, Rescheduled, DeadLettered, Expired)
Verb = Callable[[Database, str, Sequence[Outcome]], Iterable[int]]
Decide = Callable[[Route, Failure], Rescheduled | DeadLettered]


@dataclass
class Batch:
    """The outcomes of one claim, decided and recorded. A route without one has its lease given up at the end.

    began: monotonic seconds, before the routes were read. errors: what cannot happen and did, each naming its route.
    unreachable: Redis did not answer. in_doubt: outcomes whose recording got no answer at first.
    """

    channel: Channel
    claim: Claim
    began: float
    probing: bool = False
    published: list[Published] = field(default_factory=list)
    rescheduled: list[Rescheduled] = field(default_factory=list)
    dead_lettered: list[DeadLettered] = field(default_factory=list)
    expired: list[Expired] = field(default_factory=list)
    recorded: set[int] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    unreachable: bool = False
    in_doubt: list[AnyOutcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.notifications = {c.route.id: c.notification for c in self.claim.routes if c.notification}

    def end_failed(self, outcome: Rescheduled | DeadLettered) -> None:
        """Notes the end of a failed attempt."""
        if isinstance(outcome, Rescheduled):
            self.rescheduled.append(outcome)
        else:
            self.dead_lettered.append(outcome)


class Recorder:
    """Records the outcomes of batches. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        telemetry: Telemetry,
        beat: Callable[[], object] = lambda: None,
        witness_after_lease: timedelta | None = None,
        lease_ttl: timedelta = timedelta(0),
    ) -> None:
        """beat: called before each group of outcomes is recorded. witness_after_lease: see `complete_published`.

        lease_ttl: for how long from its beginning a batch knows that an outcome which stands is its own.
        """
        self._lease_ttl = lease_ttl
        self._database = database
        self._witness_after_lease = witness_after_lease
        self._beat = beat
        self._telemetry = telemetry

    def record(self, batch: Batch, decide: Decide) -> list[tuple[int, timedelta]]:
        """Records every outcome of the batch, and tells of those that were recorded (R25, R26).

        decide: what a failed attempt means; asked where "published" could not be recorded (R7). Returns the routes that
        are due again, each with the time until then. What could not be recorded besides is in the batch's errors.
        """

        def publish(database: Database, token: str, published: Sequence[Published]) -> Iterable[int]:
            return outcomes.complete_published(database, token, published, self._witness_after_lease)

        for lost, reason in self._not_recorded(batch, publish, batch.published):
            # R7: the command stands, its record does not. The next attempt finds the command by its witness.
            batch.published.remove(lost)
            message = f"the command was appended, but recording it failed: {reason}"
            batch.end_failed(decide(lost.route, Failure.of(batch.channel.stream_failure, message)))
        due_again: dict[int, datetime] = {}

        def reschedule(database: Database, token: str, failed: Sequence[Rescheduled]) -> Iterable[int]:
            recorded = outcomes.complete_failed(database, token, failed)
            due_again.update(recorded)
            return recorded

        not_recorded: list[tuple[AnyOutcome, PublisherError]] = [
            *self._not_recorded(batch, reschedule, batch.rescheduled),
            *self._not_recorded(batch, outcomes.complete_dead_lettered, batch.dead_lettered),
            *self._not_recorded(batch, outcomes.complete_expired, batch.expired),
        ]
        due_again.update(self._recognise(batch))
        batch.errors += [
            f"the outcome of route {outcome.route.delivery_id} was not recorded: {reason}"
            for outcome, reason in not_recorded
            if outcome.route.id not in batch.recorded
        ]
        told = OutcomeLog(batch.channel.name, batch.notifications, batch.recorded, self._telemetry)
        told.published(batch.published)
        told.rescheduled(batch.rescheduled, due_again)
        told.dead_lettered(batch.dead_lettered)
        told.expired(batch.expired)
        return [(o.route.id, o.delay) for o in batch.rescheduled if o.route.id in due_again]

    def release(self, batch: Batch) -> None:
        """Gives up whatever has no outcome (R5). Best effort: what is not given up expires."""
        self._beat()
        try:
            claims.release(self._database, batch.claim.token, set(batch.claim.ids) - batch.recorded)
        except PublisherError as error:
            _log.warning("leases were not given up and will expire", channel=batch.channel.name, error=str(error))

    def _recognise(self, batch: Batch) -> dict[int, datetime]:
        """Counts as recorded what stands as a first try wrote it whose reply was lost. When failed ones are due again.

        A completion that is repeated finds nothing to change then, as if someone else had moved the route on. Best
        effort: what is not recognised is recorded all the same, and told of nowhere.
        """
        due_again: dict[int, datetime] = {}
        for kind in (Published, Rescheduled, DeadLettered, Expired):
            asked = [o for o in batch.in_doubt if isinstance(o, kind) and o.route.id not in batch.recorded]
            if not asked or time.monotonic() - batch.began >= self._lease_ttl.total_seconds():
                continue
            self._beat()
            try:
                found = already_recorded(self._database, asked)
            except PublisherError as error:
                _log.warning("outcomes may be recorded and not told of", channel=batch.channel.name, error=str(error))
                return due_again
            batch.recorded |= set(found)
            if kind is Published:
                _take_back_failures(batch, {o.route.id: o for o in asked if isinstance(o, Published)}, found)
            due_again |= {id_: at for id_, at in found.items() if at is not None}
        return due_again

    def _not_recorded(
        self, batch: Batch, verb: Verb[Outcome], ended: Sequence[Outcome]
    ) -> list[tuple[Outcome, PublisherError]]:
        """Records these outcomes, and returns those that could not be, each with its reason."""
        try:
            return self._record(batch, verb, ended)
        except DatabaseUnavailable as error:
            # It may have gone away halfway, with some of a refused batch recorded one by one.
            return [(outcome, error) for outcome in ended if outcome.route.id not in batch.recorded]

    def _record(
        self, batch: Batch, verb: Verb[Outcome], ended: Sequence[Outcome]
    ) -> list[tuple[Outcome, PublisherError]]:
        """Records these outcomes, and returns those that PostgreSQL refused, each with its reason.

        A refusal rolls the whole statement back, so each is then tried alone (R11).
        """
        if not ended:
            return []
        self._beat()
        try:
            try:
                batch.recorded |= set(verb(self._database, batch.claim.token, ended))
            except DatabaseUnavailable:
                batch.in_doubt += ended
                # Whether it happened is unknown. The guard makes a second time harmless (R8).
                batch.recorded |= set(verb(self._database, batch.claim.token, ended))
        except DatabaseRefused as error:
            if len(ended) == 1:
                return [(ended[0], error)]
            return [refused for outcome in ended for refused in self._record(batch, verb, [outcome])]
        return []


def _take_back_failures(batch: Batch, published: Mapping[int, Published], found: Collection[int]) -> None:
    """Takes back the failures of attempts whose publication was recorded, though no reply had said so (R7)."""
    kept = {outcome.route.id for outcome in batch.published}
    batch.published += [published[id_] for id_ in found if id_ not in kept]
    batch.rescheduled = [outcome for outcome in batch.rescheduled if outcome.route.id not in found]
    batch.dead_lettered = [outcome for outcome in batch.dead_lettered if outcome.route.id not in found]
