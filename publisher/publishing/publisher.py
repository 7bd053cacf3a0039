"""The heart: claim ▸ encode ▸ append ▸ complete, a batch at a time, every route its own outcome (R4–R11).

Between the two databases nothing is atomic, so the order is: the command stands on the stream before PostgreSQL
says so (R6), and the stream knows a delivery it already has (R12). A crash at any line in between is repaired
by doing the same again once the lease has expired.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from publisher.domain.attempt import (
    PAYLOAD_ENCODING_FAILED,
    DeadLettered,
    Expired,
    Failure,
    Rescheduled,
    after_failure,
    after_lost_leases,
    is_too_late,
)
from publisher.domain.backoff import Backoff
from publisher.domain.channel import Channel
from publisher.domain.circuit import Probing
from publisher.domain.errors import BadRequest, EncodingError, RouteError
from publisher.domain.notification import Route
from publisher.domain.timeouts import BEGUN, ENCODED, LAST_LOOK, TRUSTED, witness_after_lease
from publisher.process.telemetry import Telemetry
from publisher.publishing.appender import Appender
from publisher.publishing.batch import Batch, Recorder
from publisher.publishing.circuit_breaker import CircuitBreaker
from publisher.publishing.claim_cursor import ClaimCursor
from publisher.publishing.tombstones import end_dead_letters, end_overdue
from publisher.streams.outbound import Delivery, OutboundStreams
from storage import claims
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a batch. rescheduled: route key and the time until it is due again. more: look again.

    given_back: due routes were not begun, because the process stops or the batch's time is over.
    """

    published: int = 0
    rescheduled: Sequence[tuple[int, timedelta]] = ()
    dead_lettered: Sequence[int] = ()
    more: bool = False
    given_back: bool = False


class Publisher:
    """Publishes routes of any channel. Safe to share between threads.

    roll: a source of random numbers in [0, 1) for the backoff's jitter. stopping: true once the process was
    told to stop; what is leased then and not begun is given back (R5). probing: when a channel is parked; None: never.
    beat: called between any two steps of an attempt, none of which waits longer than `Timeouts.step`.
    may_look_back: see `ClaimCursor`.
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
        probing: Probing | None = None,
        beat: Callable[[], object] = lambda: None,
        may_look_back: Callable[[str, timedelta], bool] = lambda _channel, _lasting: True,
    ) -> None:
        self._database = database
        self._streams = streams
        self._channels = channels
        self._lease_ttl = lease_ttl
        self._batch_size = batch_size
        self._backoff = backoff
        self._roll = roll
        self._stopping = stopping
        self._beat = beat
        self._recorder = Recorder(
            database, telemetry, beat, witness_after_lease(streams.dedup_window, lease_ttl), lease_ttl
        )
        self._circuit = CircuitBreaker(database, telemetry, probing)
        self._appender = Appender(database, streams, self._circuit, beat)
        self._cursor = ClaimCursor(time.monotonic, may_look_back)

    def publish_due(self, channel: str, on_more: Callable[[], object] = lambda: None) -> Report:
        """Publishes one batch of the channel's due routes; of a parked channel a small one, if its next probe is due.

        on_more is called as soon as a batch is leased that leaves others due: the next can begin elsewhere.
        Raises DatabaseUnavailable if nothing could be claimed, and RouteError once the batch is done if some
        of its routes ended in a way that cannot happen (R10).
        """
        name = self._channel(channel).name
        if self._stopping():
            return Report(more=True, given_back=True)
        began, after = time.monotonic(), self._cursor.of(name)
        claim = claims.claim_due(
            self._database,
            name,
            limit=self._batch_size,
            lease_ttl=self._lease_ttl,
            stream=self._channel(name).stream,
            after=after,
            through_parking=self._circuit.is_off,
        )
        self._cursor.note(name, began, after, claim)
        if claim.routes or claim.more:
            return self._publish(Batch(self._channel(name), claim, began), on_more)
        report = self._probe(name)
        if report.published and report.more:
            on_more()
        return report

    def publish_these(self, channel: str, ids: Sequence[int]) -> Report:
        """Publishes those of these routes of the channel that are due and free; the others end quietly.

        If the channel is parked and its next probe is due, that takes the place of these. Raises as `publish_due`.
        """
        name = self._channel(channel).name
        if self._stopping():
            return Report(more=True, given_back=True)
        began = time.monotonic()
        claim = claims.claim_these(
            self._database,
            name,
            ids,
            lease_ttl=self._lease_ttl,
            stream=self._channel(name).stream,
            through_parking=self._circuit.is_off,
        )
        if claim.routes:
            return self._publish(Batch(self._channel(name), claim, began))
        return self._probe(name)

    def expire_overdue(self, channel: str) -> bool:
        """Ends a batch of the channel's routes whose deadline has passed. True if there may be more.

        One whose command stands on the stream all the same is recorded as published. Raises RedisUnavailable if that
        cannot be known: it is known later. Otherwise raises as `publish_due`.
        """
        began, to = time.monotonic(), self._channel(channel)
        claim = claims.claim_overdue(self._database, to.name, limit=self._batch_size, lease_ttl=self._lease_ttl)
        batch = Batch(to, claim, began)
        try:
            for outcome in end_overdue(self._streams, to.stream, [claimed.route for claimed in claim.routes]):
                if isinstance(outcome, Expired):
                    batch.expired.append(outcome)
                else:
                    batch.published.append(outcome)
            self._recorder.record(batch, self._decide(to))
        finally:
            self._recorder.release(batch)
        _raise_for(batch)
        return claim.more

    def _channel(self, name: str) -> Channel:
        try:
            return self._channels[name]
        except KeyError:
            known = ", ".join(sorted(self._channels))
            raise BadRequest(f"no such channel: {name!r}; there are: {known}") from None

    def _probe(self, channel: str) -> Report:
        """Tries a parked channel with a small batch, if it is time for that."""
        if not self._circuit.may_probe(channel):
            return Report()
        began = time.monotonic()
        claim = claims.claim_due(
            self._database,
            channel,
            limit=self._circuit.batch,
            lease_ttl=self._lease_ttl,
            stream=self._channel(channel).stream,
            through_parking=True,
        )
        return self._publish(Batch(self._channel(channel), claim, began, probing=True))

    def _publish(self, batch: Batch, on_more: Callable[[], object] = lambda: None) -> Report:
        claim = batch.claim
        self._beat()
        try:
            if claim.more:
                on_more()
            if self._stopping():
                return Report(more=bool(claim.routes), given_back=bool(claim.routes))
            deliveries, encoded = self._encode(batch)
            whole = self._append(batch, deliveries) and encoded
            if batch.dead_lettered and not batch.unreachable and self._within(batch, LAST_LOOK):
                self._beat()
                end_dead_letters(self._streams, batch)
            rescheduled = self._recorder.record(batch, self._decide(batch.channel))
        finally:
            self._recorder.release(batch)
        _raise_for(batch)
        return Report(
            published=sum(o.route.id in batch.recorded for o in batch.published),
            rescheduled=rescheduled,
            dead_lettered=[o.route.id for o in batch.dead_lettered if o.route.id in batch.recorded],
            more=claim.more or not whole,
            given_back=not whole,
        )

    def _encode(self, batch: Batch) -> tuple[list[tuple[Route, Delivery]], bool]:
        """The deliveries to append; whatever cannot be one has its outcome decided. And whether that is all.

        Where encoding takes long, the routes that are not reached in time have neither, and are given back.
        """
        decide = self._decide(batch.channel)
        deliveries: list[tuple[Route, Delivery]] = []
        for claimed in batch.claim.routes:
            if deliveries and not self._within(batch, ENCODED):
                return deliveries, False
            route, notification = claimed.route, claimed.notification
            if notification is None:
                batch.errors.append(f"route {route.delivery_id} has no notification")
            elif dead := after_lost_leases(route):
                batch.end_failed(dead)
            else:
                try:
                    command = batch.channel.command(notification, route)
                    deliveries.append((route, Delivery(route.delivery_id, command, route.replay, route.requeues)))
                except EncodingError as error:
                    batch.end_failed(decide(route, Failure.of(PAYLOAD_ENCODING_FAILED, str(error))))
        return deliveries, True

    def _append(self, batch: Batch, deliveries: Sequence[tuple[Route, Delivery]]) -> bool:
        """False if the rest was not begun, for want of time: it is given back."""
        if not self._within(batch, TRUSTED):
            # The process was paused, or all was slow: the lease might be another's before the commands are appended.
            return not deliveries
        elapsed = timedelta(seconds=time.monotonic() - batch.began)
        # One that is too late by now gets no outcome here: its lease is given up, and `expire_overdue` finds it.
        in_time = [(route, delivery) for route, delivery in deliveries if not is_too_late(route, elapsed)]
        self._beat()
        decide = self._decide(batch.channel)
        return self._appender.append(batch, in_time, decide, lambda: self._may_go_on(batch))

    def _may_go_on(self, batch: Batch) -> bool:
        """Whether another call with commands may begin."""
        self._beat()
        return self._within(batch, BEGUN) and not self._stopping()

    def _within(self, batch: Batch, part: float) -> bool:
        """Whether less than this part of the lease has passed since the claim began."""
        return time.monotonic() - batch.began < self._lease_ttl.total_seconds() * part

    def _decide(self, channel: Channel) -> Callable[[Route, Failure], Rescheduled | DeadLettered]:
        backoff = channel.backoff or self._backoff
        return lambda route, failure: after_failure(route, failure, backoff, self._roll())


def _raise_for(batch: Batch) -> None:
    if batch.errors:
        raise RouteError("; ".join(batch.errors))
