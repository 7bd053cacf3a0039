"""Publishes one batch of due routes: claim them, encode each as a command, append the commands to the stream, record
every route's outcome, and report it. One bad route never fails its batch (R4 to R11).

The package's document says why this order, under the lease, loses nothing and sends nothing twice.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta

import structlog

from publisher.domain.attempt import after_failure, is_too_late
from publisher.domain.channel import Channel
from publisher.domain.errors import BadRequest, PublisherError
from publisher.domain.names import no_such
from publisher.domain.timeouts import BEGUN, ENCODED, LAST_LOOK, TRUSTED, witness_after_lease
from publisher.process.spans import POSTGRESQL, REDIS, SpanKind
from publisher.process.telemetry import Telemetry
from publisher.publishing.answers import answer
from publisher.publishing.appender import Appender
from publisher.publishing.batch import Batch
from publisher.publishing.circuit_breaker import CircuitBreaker
from publisher.publishing.claim_cursor import ClaimCursor
from publisher.publishing.claimer import Claimer
from publisher.publishing.earlier_streams import Deliveries
from publisher.publishing.encoding import encode
from publisher.publishing.limiter import Limiter
from publisher.publishing.policy import Hooks, Policy
from publisher.publishing.recorder import Decide, Recorder
from publisher.publishing.report import Report, report
from publisher.publishing.tombstones import end_dead_letters, end_without_attempt
from publisher.publishing.tracing import ends_of, place, traced
from publisher.streams.outbound import OutboundStreams
from storage.claiming import leases
from storage.database import Database

_log = structlog.get_logger()


class Publisher:
    """Publishes routes of any channel. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        streams: OutboundStreams,
        channels: Mapping[str, Channel],
        telemetry: Telemetry,
        policy: Policy,
        hooks: Hooks,
    ) -> None:
        self._database = database
        self._streams = streams
        self._channels = channels
        self._telemetry = telemetry
        self._policy = policy
        self._hooks = hooks
        self._circuit = CircuitBreaker(database, telemetry, policy.probing)
        self._appender = Appender(database, streams, self._circuit, hooks.beat)
        self._recorder = Recorder(database, witness_after_lease(streams.dedup_window, policy.lease_ttl), hooks.beat)
        self._claimer = Claimer(database, policy)
        self._limiter = Limiter(database, streams.limits, policy.batch_size)
        self._cursor = ClaimCursor(time.monotonic, hooks.may_look_back)

    def publish_due(self, channel: str, on_more: Callable[[], object] = lambda: None) -> Report:
        """Publishes one batch of the channel's due routes; of a parked channel a small one, if its next probe is due.

        Of a channel with a rate limit no more are claimed than it lets through (R30).
        on_more: called as soon as a batch is leased that leaves others due, so that the next can begin elsewhere.
        Raises DatabaseUnavailable if nothing could be claimed, and RouteError once the batch is done if some of its
        routes ended in a way that cannot happen (R10).
        """
        to = self._channel(channel)
        if self._hooks.stopping():
            return Report(more=True, given_back=True)
        hope = self._limiter.hope(to)
        if hope is not None and not hope.tokens:
            return Report(wait=hope.wait)
        after = self._cursor.of(channel)
        batch = self._claimer.due(to, after, hope)
        self._limiter.note(to, batch.claim)
        if hope is None and batch.claim.limit is not None:
            # Nothing was claimed: this process has learned that there is a limit.
            return self.publish_due(channel, on_more)
        self._cursor.note(channel, batch.began, after, batch.claim)
        if batch.claim.routes or batch.claim.more:
            return self._publish(batch, on_more)
        self._limiter.forgo(batch)
        probed = self._probe(to) if batch.claim.refusing else Report()
        if probed.published and probed.more:
            on_more()
        return probed

    def publish_these(self, channel: str, ids: Sequence[int], handover: str | None = None) -> Report:
        """Publishes those of these routes of the channel that are due and free, and leaves the others alone.

        handover: the token of the handover that leases them to the caller; None: they were not handed over.
        If the channel is parked and its next probe is due, the probe takes their place. If it has a rate limit, any due
        routes do: a message about some is no more than a wake-up. Raises as `publish_due`.
        """
        to = self._channel(channel)
        if self._hooks.stopping():
            if handover is not None:
                self._release(to, handover, ids)
            return Report(more=True, given_back=True)
        if self._limiter.of(to) is not None and self._limiter.read(to) is not None:
            if handover is not None:
                # The limit was set after these were handed over.
                self._release(to, handover, ids)
            return self.publish_due(channel)
        batch = self._claimer.these(to, ids, handover)
        self._limiter.note(to, batch.claim)
        if handover is not None and len(batch.claim.routes) < len(ids):
            # Their channel was closed meanwhile, or their deadline has passed: the handover need not run out first.
            self._release(to, handover, set(ids).difference(batch.claim.ids))
        if batch.claim.limit is not None:
            return self.publish_due(channel)
        if batch.claim.routes:
            return self._publish(batch)
        return self._probe(to) if batch.claim.refusing else Report()

    def end_routes(self, channel: str, *, told: bool = True) -> bool:
        """Ends routes that are past their deadline, or to be cancelled: one batch. True: there may be more.

        A route whose command stands on the stream all the same is recorded as published. Producers whose cancellations
        have no open route any more have their answers (R28).
        told: logs and counts each route, for a process that is no person's.
        Raises RedisUnavailable if it cannot be known yet whether a command stands. Otherwise raises as `publish_due`.
        """
        batch = self._claimer.ending(self._channel(channel))
        place(self._telemetry.spans, batch)
        try:
            end_without_attempt(self._streams, batch)
            self._record(batch)
            if told:
                report(batch, self._telemetry)
            # A command that stands all the same names the span of its route.
            self._telemetry.spans.past(ends_of(batch))
        finally:
            self._give_back(batch)
        batch.raise_errors()
        if batch.claim.unanswered and not batch.claim.more:
            answer(self._database)
        return batch.claim.more

    def _channel(self, name: str) -> Channel:
        try:
            return self._channels[name]
        except KeyError:
            raise BadRequest(no_such("channel", name, self._channels)) from None

    def _probe(self, to: Channel) -> Report:
        """Tries a channel with a small batch, if it is parked and it is time for that."""
        if not self._circuit.may_probe(to.name):
            return Report()
        return self._publish(self._claimer.probe(to, self._circuit.batch))

    def _publish(self, batch: Batch, on_more: Callable[[], object] = lambda: None) -> Report:
        with traced(self._telemetry.spans, batch):
            return self._attempt(batch, on_more)

    def _attempt(self, batch: Batch, on_more: Callable[[], object]) -> Report:
        """An attempt, from its claim on: encode, append, record, report."""
        self._hooks.beat()
        spans, stream = self._telemetry.spans, batch.channel.stream
        try:
            if batch.claim.more and batch.is_followed_at_once:
                on_more()
            if self._hooks.stopping():
                return Report(more=bool(batch.claim.routes), given_back=bool(batch.claim.routes))
            deliveries = encode(batch, self._decide(batch.channel), lambda: self._within(batch, ENCODED))
            with spans.batch(f"append {stream}", SpanKind.PRODUCER, {**REDIS, "messaging.destination.name": stream}):
                self._append(batch, deliveries)
            with spans.batch(f"record {batch.channel.name}", SpanKind.CLIENT, POSTGRESQL):
                self._record(batch)
            reported = report(batch, self._telemetry)
        finally:
            self._give_back(batch)
            self._limiter.forgo(batch)
            if batch.leave_room() or (batch.claim.more and not batch.is_followed_at_once):
                on_more()
        batch.raise_errors()
        return reported

    def _append(self, batch: Batch, deliveries: Deliveries) -> None:
        """Appends the deliveries while the lease can be trusted, and leaves tombstones for dead letters."""
        if self._within(batch, TRUSTED):
            elapsed = timedelta(seconds=time.monotonic() - batch.began)
            # A route that is too late by now has no outcome: it is given back, and `end_routes` finds it.
            in_time = [(route, delivery) for route, delivery in deliveries if not is_too_late(route, elapsed)]
            self._hooks.beat()
            self._appender.append(batch, in_time, self._decide(batch.channel), lambda: self._may_go_on(batch))
        else:
            # The process was paused, or all was slow: the lease might be another's before the commands are appended.
            batch.is_cut_short |= bool(deliveries)
        if not batch.is_unreachable and self._within(batch, LAST_LOOK):
            end_dead_letters(self._streams, batch, self._hooks.beat)

    def _may_go_on(self, batch: Batch) -> bool:
        """Whether another call with commands may begin."""
        self._hooks.beat()
        return self._within(batch, BEGUN) and not self._hooks.stopping()

    def _record(self, batch: Batch) -> None:
        batch.recordings = self._recorder.record(batch, self._decide(batch.channel))

    def _give_back(self, batch: Batch) -> None:
        """Gives back the routes without a recorded outcome (R5). Best effort: their lease expires as well."""
        self._hooks.beat()
        recorded = {recording.outcome.route.id for recording in batch.recorded}
        self._release(batch.channel, batch.claim.token, set(batch.claim.ids) - recorded)

    def _release(self, channel: Channel, token: str, ids: Collection[int]) -> None:
        try:
            leases.release(self._database, token, ids)
        except PublisherError as error:
            _log.warning("leases were not given up and will expire", channel=channel.name, error=str(error))

    def _within(self, batch: Batch, part: float) -> bool:
        """Whether less than this part of the lease has passed since its routes were read."""
        return time.monotonic() - batch.began < batch.claim.lasts.total_seconds() * part

    def _decide(self, channel: Channel) -> Decide:
        backoff = channel.backoff or self._policy.backoff
        return lambda route, failure: after_failure(route, failure, backoff, self._hooks.roll())
