"""Appends the commands of a batch, and decides what each result means for its route (R6, R7, R12, R13)."""

from collections.abc import Callable, Sequence

import structlog

from publisher.domain.attempt import Failure, Published
from publisher.domain.notification import Route
from publisher.publishing.batch import Batch
from publisher.publishing.circuit_breaker import CircuitBreaker, probed
from publisher.publishing.earlier_streams import Deliveries, appended_if_still_held, settle_on_earlier_streams
from publisher.publishing.recorder import Decide
from publisher.publishing.tracing import fields_of
from publisher.streams.append_result import Appended, AppendResult, Ended, HeldBack, Limited, Moved, NotAppended
from publisher.streams.outbound import Delivery, OutboundStreams
from storage.claiming import leases
from storage.database import Database

_log = structlog.get_logger()


class Appender:
    """Appends the commands of batches. Safe to share between threads."""

    def __init__(
        self, database: Database, streams: OutboundStreams, circuit: CircuitBreaker, beat: Callable[[], object]
    ) -> None:
        self._database = database
        self._streams = streams
        self._circuit = circuit
        self._beat = beat

    def append(self, batch: Batch, deliveries: Deliveries, decide: Decide, may_go_on: Callable[[], bool]) -> None:
        """Appends these deliveries, and puts the outcome of each into the batch. A route without one is given back.

        may_go_on: asked before every call to Redis but the first. Once it says no the batch is cut short.
        Raises DatabaseUnavailable.
        """
        settled, to_append = settle_on_earlier_streams(self._database, self._streams, batch, deliveries)
        if batch.channel.partitions > 1:
            # Those of one partition follow one another: each call is of one.
            location = batch.channel.location
            to_append = sorted(to_append, key=lambda pair: location.part(pair[1].delivery_id).stream)
        appended = self._append(batch, to_append, may_go_on)
        results: list[tuple[Route, AppendResult]] = [
            *settled,
            *((route, result) for (route, _), result in zip(to_append, appended, strict=False)),
        ]
        if batch.promised:
            batch.promised -= sum(isinstance(result, Appended) and result.first for result in appended)
        taken_back: dict[int, int] = {}
        for route, result in results:
            if isinstance(result, Appended):
                self._appended(batch, route, result)
            elif isinstance(result, Limited):
                # It waits, and no attempt was made (R30).
                batch.wait = result.wait
            elif (life := _life_before(route, result)) is not None:
                taken_back[route.id] = life
            elif reason := self._why_failed(batch, result):
                batch.outcomes.append(decide(route, Failure.of(batch.channel.stream_failure, reason)))
        if taken_back:
            leases.begin_life(self._database, batch.claim.token, taken_back)
        batch.is_unreachable = any(isinstance(result, NotAppended) and result.unreachable for _, result in results)
        self._circuit.note(
            batch.channel.name, [result for _, result in results], batch.claim.refusing, probing=batch.is_probe
        )
        batch.is_cut_short |= len(appended) < len(to_append)

    def _append(self, batch: Batch, deliveries: Deliveries, may_go_on: Callable[[], bool]) -> Sequence[AppendResult]:
        """Returns a result for each delivery, of the first ones only if the batch was cut short."""
        to = probed(batch.channel) if batch.is_probe else batch.channel

        def append(some: Sequence[Delivery]) -> Sequence[AppendResult]:
            self._beat()
            return self._streams.append(to, some, may_go_on, batch.claim.limit)

        results = append([delivery for _, delivery in deliveries])
        if not any(isinstance(result, Moved) for result in results) or not may_go_on():
            return results
        return appended_if_still_held(self._database, batch, deliveries, results, append)

    def _appended(self, batch: Batch, route: Route, result: Appended) -> None:
        batch.outcomes.append(Published(route, result.entry_id, witnessed=result.unwitnessed is None))
        if result.unwitnessed is not None:
            _log.error(
                "a command stands on its stream without a witness: another attempt would write it again",
                **fields_of(batch, route),
                stream_entry_id=result.entry_id,
                reason=result.unwitnessed,
            )

    def _why_failed(self, batch: Batch, result: NotAppended | HeldBack | Ended | Moved) -> str | None:
        """Why this was a failed attempt; None: it was none, and the lease is given up."""
        match result:
            case HeldBack():
                # The channel is parked now. Without parking nothing but the backoff would space the tries.
                return result.message if self._circuit.is_off else None
            case Ended():
                # One that expired or was cancelled is `end_routes`' matter. A dead letter that was not recorded, though
                # its tombstone is set, becomes one by this attempt.
                return None if result.life is None else "it was given up as a dead letter, and that was not recorded"
            case Moved():
                # Another worker holds the route, or there was no time left to ask.
                return None
            case NotAppended():
                # A probe that finds the channel as it was costs the route nothing.
                return None if batch.is_probe and result.channels_fault else result.message


def _life_before(route: Route, result: AppendResult) -> int | None:
    """The life that has ended, by its tombstone, of a route that has attempts left; None of any other.

    Such a route was taken back from the dead letters by a process of the release before, which does not count that: the
    next attempt publishes it. One without attempts left is a dead letter that was not recorded.
    """
    has_attempts = route.attempt_count + 1 < route.max_attempts
    return result.life if isinstance(result, Ended) and has_attempts else None
