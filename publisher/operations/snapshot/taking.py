"""Takes snapshots of the service, each server's half by itself (R35)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from publisher.domain.circuit import Gate
from publisher.domain.errors import PublisherError
from publisher.domain.notification import RouteStatus
from publisher.domain.timeouts import audit_interval
from publisher.operations.channels.limits import channel_limits, with_use
from publisher.operations.channels.readers import read_streams
from publisher.operations.snapshot.snapshot import Counting, Snapshot, StoreSnapshot, StreamsSnapshot, Totals
from publisher.settings.settings import Settings
from publisher.streams.heartbeats import ProcessRegister
from publisher.streams.hints import read_hints
from publisher.streams.servers.stream_servers import StreamServers
from storage.accepting.losses import list_losses
from storage.accepting.replays import latest_replays
from storage.answers import answered_failed, unanswered
from storage.answers.answer_counts import count_answers
from storage.answers.answered_failed import count_answered_failed
from storage.answers.unanswered import Unanswered, count_unanswered
from storage.audit_states import audit_states
from storage.counts import outstanding, overview
from storage.counts.counts import Count, OpenRoutes, final_routes, open_routes
from storage.counts.outstanding import read_outstanding
from storage.counts.rates import Happened, Mark, before, happened_between, mark
from storage.database import Database
from storage.gates import read_gates
from storage.holds import list_holds
from storage.mail.progress import deferred_mail
from storage.outcomes.failures import recent_failures

# After a longer pause a snapshot does not count from the one before: its rates are those of now.
_LONGEST_WINDOW = timedelta(minutes=5)
# The newest failed attempts that a snapshot holds.
_FAILURES = 200
# Losses that no operator acknowledged are counted up to here.
_LOSSES = 1000


class Snapshots:
    """Takes one snapshot after the other, and remembers up to which mark it has counted. For one thread at a time."""

    def __init__(self, database: Database, servers: StreamServers, settings: Settings) -> None:
        self._database = database
        self._servers = servers
        self._register = ProcessRegister(servers.hints)
        self._settings = settings
        self._counted: Mark | None = None

    def take(self, counting: Counting = Counting.NONE) -> Snapshot:
        """Takes a snapshot. A server that cannot be read raises nothing: its half is the error.

        Rates count from the snapshot before; the first one's are those of the last seconds.
        """
        store: StoreSnapshot | PublisherError
        streams: StreamsSnapshot | PublisherError
        try:
            store = self._store(counting)
        except PublisherError as error:
            store = error
        try:
            streams = self._streams()
        except PublisherError as error:
            streams = error
        installed = list(self._settings.channels)
        interval = audit_interval(self._settings.effective_audit_window)
        return Snapshot(datetime.now(UTC), store, streams, installed, interval)

    def _store(self, counting: Counting) -> StoreSnapshot:
        last = mark(self._database)
        routes = open_routes(self._database)
        gates = read_gates(self._database)
        known = {*self._settings.channels, *routes, *gates}
        if counting is Counting.NONE:
            return self._activity(last, routes, gates, sorted(known))
        audits = audit_states(self._database, self._settings.channels)
        totals = self._totals(routes, exact=counting is Counting.EXACT)
        return StoreSnapshot(
            at=last.at,
            channels=sorted({*known, *(channel for channel, _ in totals.routes)}),
            open_routes=routes,
            gates=gates,
            audits=audits,
            totals=totals,
            limits=with_use(self._database, channel_limits(self._database, self._settings.channels)),
            outstanding=read_outstanding(self._database),
            holds=list_holds(self._database),
            unanswered=self._unanswered(unanswered.BOUND),
            answered_failed=count_answered_failed(self._database, known, bound=answered_failed.BOUND),
        )

    def _activity(
        self, last: Mark, routes: Mapping[str, OpenRoutes], gates: Mapping[str, Gate], known: Sequence[str]
    ) -> StoreSnapshot:
        first = self._counted
        if first is None or not timedelta(0) < last.until - first.until <= _LONGEST_WINDOW:
            first = before(last)
        window = last.until - first.until
        happened = happened_between(self._database, first, last, known)
        failures = recent_failures(self._database, _FAILURES)
        audits = audit_states(self._database, known)
        self._counted = last
        return StoreSnapshot(
            at=last.at,
            channels=sorted({*known, *happened}),
            window=window,
            happened=happened,
            open_routes=routes,
            gates=gates,
            audits=audits,
            failures=failures,
            limits={
                name: replace(limit, published=happened.get(name, Happened()).published / window.total_seconds())
                for name, limit in channel_limits(self._database, self._settings.channels).items()
            },
            outstanding=read_outstanding(self._database),
            holds=list_holds(self._database),
            unanswered=self._unanswered(outstanding.BOUND),
            answered_failed=count_answered_failed(self._database, known, bound=answered_failed.QUICK_BOUND),
        )

    def _streams(self) -> StreamsSnapshot:
        readers = read_streams(self._servers, self._settings)
        processes, hints = self._register.seen(), read_hints(self._servers.hints, list(self._settings.channels))
        return StreamsSnapshot(
            None if isinstance(readers.intents, PublisherError) else readers.intents,
            processes,
            hints.queues,
            readers.channels,
            readers.events,
            readers.intents if isinstance(readers.intents, PublisherError) else None,
            hints.given_up,
        )

    def _unanswered(self, bound: int) -> Mapping[str, Unanswered]:
        expected = {name: channel.answer_within for name, channel in self._settings.channels.items()}
        return count_unanswered(self._database, expected, bound=bound)

    def _totals(self, open_: Mapping[str, OpenRoutes], *, exact: bool) -> Totals:
        if exact:
            routes = {key: Count(count) for key, count in overview.count_routes(self._database).items()}
        else:
            routes = final_routes(self._database)
            for channel, counts in open_.items():
                routes[channel, RouteStatus.PENDING] = Count(counts.pending)
                routes[channel, RouteStatus.FAILED] = Count(counts.failed)
        return Totals(
            routes,
            overview.count_malformed(self._database),
            next(iter(latest_replays(self._database, self._settings.intents_addresses)), None),
            len(list_losses(self._database, acknowledged=False, limit=_LOSSES)),
            count_answers(self._database),
            deferred_mail(self._database),
        )
