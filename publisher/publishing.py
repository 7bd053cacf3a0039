"""The heart: claim ▸ encode ▸ append ▸ complete, a batch at a time, every route its own outcome (R4–R11).

Between the two databases nothing is atomic, so the order is: the command stands on the stream before PostgreSQL
says so (R6), and the stream knows a delivery it already has (R12). A crash at any line in between is repaired
by doing the same again once the lease has expired.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from publisher.claim_start import ClaimStart
from publisher.domain.attempt import (
    PAYLOAD_ENCODING_FAILED,
    DeadLettered,
    Failure,
    Published,
    Rescheduled,
    after_failure,
    after_lost_leases,
)
from publisher.domain.backoff import Backoff
from publisher.domain.channel import Channel
from publisher.domain.errors import (
    BadRequest,
    DatabaseRefused,
    DatabaseUnavailable,
    EncodingError,
    PublisherError,
    RouteError,
)
from publisher.domain.notification import Route
from publisher.outcome_log import OutcomeLog
from publisher.streams.outbound import Delivery, NotAppended, OutboundStreams
from publisher.telemetry import Telemetry
from storage import claims, outcomes
from storage.claims import Claim
from storage.database import Database

_log = structlog.get_logger()
Outcome = TypeVar("Outcome", Published, Rescheduled, DeadLettered)
Verb = Callable[[Database, str, Sequence[Outcome]], Iterable[int]]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a batch. rescheduled: route key and the time until it is due again. more: look again."""

    published: int = 0
    rescheduled: Sequence[tuple[int, timedelta]] = ()
    dead_lettered: Sequence[int] = ()
    more: bool = False


@dataclass
class _Batch:
    """A claim on its way: outcomes decided, and those recorded."""

    channel: Channel
    claim: Claim
    published: list[Published] = field(default_factory=list)
    rescheduled: list[Rescheduled] = field(default_factory=list)
    dead_lettered: list[DeadLettered] = field(default_factory=list)
    recorded: set[int] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.notifications = {c.route.id: c.notification for c in self.claim.routes if c.notification}

    def end_failed(self, outcome: Rescheduled | DeadLettered) -> None:
        if isinstance(outcome, Rescheduled):
            self.rescheduled.append(outcome)
        else:
            self.dead_lettered.append(outcome)


class Publisher:
    """Publishes routes of any channel. Safe to share between threads.

    roll: a source of random numbers in [0, 1) for the backoff's jitter. stopping: true once the process was
    told to stop; what is leased then and not begun is given back (R5).
    """

    def __init__(
        self,
        database: Database,
        streams: OutboundStreams,
        channels: Mapping[str, Channel],
        telemetry: Telemetry,
        *,
        lease_ttl: timedelta,
        batch_size: int,
        backoff: Backoff,
        roll: Callable[[], float],
        stopping: Callable[[], bool],
    ) -> None:
        self._database = database
        self._streams = streams
        self._channels = channels
        self._telemetry = telemetry
        self._lease_ttl = lease_ttl
        self._batch_size = batch_size
        self._backoff = backoff
        self._roll = roll
        self._stopping = stopping
        self._claim_start = ClaimStart(time.monotonic)

    def publish_due(self, channel: str, on_more: Callable[[], object] = lambda: None) -> Report:
        """Publishes one batch of the channel's due routes.

        on_more is called as soon as a batch is leased that leaves others due: the next can begin elsewhere.
        Raises DatabaseUnavailable if nothing could be claimed, and RouteError once the batch is done if some
        of its routes ended in a way that cannot happen (R10).
        """
        name = self._channel(channel).name
        if self._stopping():
            return Report(more=True)
        began, after = time.monotonic(), self._claim_start.of(name)
        claim = claims.claim_due(self._database, name, limit=self._batch_size, lease_ttl=self._lease_ttl, after=after)
        self._claim_start.note(name, began, after, claim)
        return self._publish(channel, claim, on_more)

    def publish_these(self, channel: str, ids: Sequence[int]) -> Report:
        """Publishes those of these routes of the channel that are due and free; the others end quietly.

        Raises as `publish_due`.
        """
        name = self._channel(channel).name
        if self._stopping():
            return Report(more=True)
        claim = claims.claim_these(self._database, name, ids, lease_ttl=self._lease_ttl)
        return self._publish(channel, claim, lambda: None)

    def _channel(self, name: str) -> Channel:
        try:
            return self._channels[name]
        except KeyError:
            known = ", ".join(sorted(self._channels))
            raise BadRequest(f"no such channel: {name!r}; there are: {known}") from None

    def _publish(self, channel: str, claim: Claim, on_more: Callable[[], object]) -> Report:
        batch = _Batch(self._channel(channel), claim)
        try:
            if claim.more:
                on_more()
            if self._stopping():
                return Report(more=bool(claim.routes))
            self._append(batch, self._encode(batch))
            rescheduled = self._record_all(batch)
        finally:
            self._release(batch)
        if batch.errors:
            raise RouteError("; ".join(batch.errors))
        return Report(
            published=sum(o.route.id in batch.recorded for o in batch.published),
            rescheduled=rescheduled,
            dead_lettered=[o.route.id for o in batch.dead_lettered if o.route.id in batch.recorded],
            more=claim.more,
        )

    def _encode(self, batch: _Batch) -> dict[int, tuple[Route, Delivery]]:
        """The deliveries to append; whatever cannot be one has its outcome decided."""
        deliveries: dict[int, tuple[Route, Delivery]] = {}
        for claimed in batch.claim.routes:
            route, notification = claimed.route, claimed.notification
            if notification is None:
                batch.errors.append(f"route {route.delivery_id} has no notification")
            elif dead := after_lost_leases(route):
                batch.end_failed(dead)
            else:
                try:
                    command = batch.channel.command(notification, route)
                    deliveries[route.id] = route, Delivery(route.delivery_id, command)
                except EncodingError as error:
                    self._fail(batch, route, PAYLOAD_ENCODING_FAILED, str(error))
        return deliveries

    def _append(self, batch: _Batch, deliveries: Mapping[int, tuple[Route, Delivery]]) -> None:
        results = self._streams.append(batch.channel, [delivery for _, delivery in deliveries.values()])
        for (route, _), result in zip(deliveries.values(), results, strict=True):
            if isinstance(result, NotAppended):
                self._fail(batch, route, batch.channel.stream_failure, result.message)
            else:
                batch.published.append(Published(route, result.entry_id))

    def _fail(self, batch: _Batch, route: Route, classification: str, message: str) -> None:
        backoff = batch.channel.backoff or self._backoff
        failure = Failure.of(classification, message)
        batch.end_failed(after_failure(route, failure, backoff, self._roll()))

    def _record_all(self, batch: _Batch) -> list[tuple[int, timedelta]]:
        self._record_published(batch)
        due_again: dict[int, datetime] = {}

        def reschedule(database: Database, token: str, failed: Sequence[Rescheduled]) -> Iterable[int]:
            recorded = outcomes.complete_failed(database, token, failed)
            due_again.update(recorded)
            return recorded

        self._record_failed(batch, reschedule, batch.rescheduled)
        self._record_failed(batch, outcomes.complete_dead_lettered, batch.dead_lettered)
        told = OutcomeLog(batch.channel.name, batch.notifications, batch.recorded, self._telemetry)
        told.published(batch.published)
        told.rescheduled(batch.rescheduled, due_again)
        told.dead_lettered(batch.dead_lettered)
        return [(o.route.id, o.delay) for o in batch.rescheduled if o.route.id in due_again]

    def _record_published(self, batch: _Batch) -> None:
        for outcome, reason in self._not_recorded(batch, outcomes.complete_published, batch.published):
            # R7: the command stands, its record does not. The next attempt finds the command by its witness.
            batch.published.remove(outcome)
            message = f"the command was appended, but recording it failed: {reason}"
            self._fail(batch, outcome.route, batch.channel.stream_failure, message)

    def _record_failed(self, batch: _Batch, verb: Verb[Outcome], ended: Sequence[Outcome]) -> None:
        for outcome, reason in self._not_recorded(batch, verb, ended):
            batch.errors.append(f"the outcome of route {outcome.route.delivery_id} was not recorded: {reason}")

    def _not_recorded(
        self, batch: _Batch, verb: Verb[Outcome], ended: Sequence[Outcome]
    ) -> list[tuple[Outcome, PublisherError]]:
        """Records these outcomes, and returns those that could not be, each with its reason."""
        try:
            return self._record(batch, verb, ended)
        except DatabaseUnavailable as error:
            # It may have gone away halfway, with some of a refused batch recorded one by one.
            return [(outcome, error) for outcome in ended if outcome.route.id not in batch.recorded]

    def _record(
        self, batch: _Batch, verb: Verb[Outcome], ended: Sequence[Outcome]
    ) -> list[tuple[Outcome, PublisherError]]:
        """Records these outcomes, and returns those that PostgreSQL refused, each with its reason.

        A refusal rolls the whole statement back, so each is then tried alone (R11).
        """
        if not ended:
            return []
        try:
            try:
                batch.recorded |= set(verb(self._database, batch.claim.token, ended))
            except DatabaseUnavailable:
                # Whether it happened is unknown. The guard makes a second time harmless (R8).
                batch.recorded |= set(verb(self._database, batch.claim.token, ended))
        except DatabaseRefused as error:
            if len(ended) == 1:
                return [(ended[0], error)]
            return [refused for outcome in ended for refused in self._record(batch, verb, [outcome])]
        return []

    def _release(self, batch: _Batch) -> None:
        """Gives up whatever has no outcome (R5). Best effort: what is not given up expires."""
        try:
            claims.release(self._database, batch.claim.token, set(batch.claim.ids) - batch.recorded)
        except PublisherError as error:
            _log.warning("leases were not given up and will expire", channel=batch.channel.name, error=str(error))
