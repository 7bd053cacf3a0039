"""Takes snapshots of the service: the waiting routes and entries, the current activity, the running processes.

PostgreSQL and Redis are read apart. A server that is away hides nothing of the other (R35).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum

import redis

from publisher.domain.circuit import Gate
from publisher.domain.errors import PublisherError
from publisher.domain.notification import RouteStatus
from publisher.domain.timeouts import audit_interval
from publisher.operations.channel_limits import ChannelLimit, channel_limits, with_use
from publisher.operations.readers import CommandReaders, read_streams
from publisher.settings.settings import Settings
from publisher.streams.groups import Group
from publisher.streams.heartbeats import ProcessRegister, ProcessSeen
from publisher.streams.queues import QueueState, queue_states
from storage import overview
from storage.audit_states import AuditState, audit_states
from storage.counts import Count, OpenRoutes, final_routes, open_routes
from storage.database import Database
from storage.failures import FailureRecord, recent_failures
from storage.gates import read_gates
from storage.holds import HoldRecord, list_holds
from storage.losses import list_losses
from storage.outstanding import Outstanding, read_outstanding
from storage.rates import Happened, Mark, before, happened_between, mark
from storage.replays import ReplayRecord, latest_replays

# After a longer pause a snapshot does not count from the one before: its rates are those of now.
_LONGEST_WINDOW = timedelta(minutes=5)
# The newest failed attempts that a snapshot holds.
_FAILURES = 200
# Losses that no operator acknowledged are counted up to here.
_LOSSES = 1000


class Counting(Enum):
    """Which totals a snapshot holds.

    NONE: no totals, but the current activity. Finished routes cost nothing, so it can be taken every second.
    ESTIMATED: all totals; more than 100,000 finished routes of one channel and status are estimated.
    EXACT: all totals; every route is counted, which reads the whole table.
    """

    NONE = "none"
    ESTIMATED = "estimated"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Totals:
    """What has accumulated in PostgreSQL.

    routes: by channel and status; a pair that is missing has no route.
    malformed: intents that were not accepted and not resubmitted.
    replay: the newest replay of intents, or None if there was none.
    losses: losses of intents that no operator has acknowledged.
    """

    routes: Mapping[tuple[str, RouteStatus], Count] = field(default_factory=dict)
    malformed: int = 0
    replay: ReplayRecord | None = None
    losses: int = 0

    def count(self, channel: str, status: RouteStatus) -> Count:
        """Returns how many routes of the channel have this status."""
        return self.routes.get((channel, status), Count())


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """PostgreSQL's half of a snapshot. Mappings are by channel; a channel that is missing has the default.

    at: when it was read, by the database's clock.
    channels: in order, those that are installed and all others that this snapshot knows something of.
    window: the time in which the routes of `happened` were published, failed or were dead-lettered; zero beside totals.
    failures: the newest failed attempts, newest first; none beside totals.
    totals: None if the activity was asked for.
    limits: the rate limits, each with how much of it is used.
    outstanding: what waits for an operator.
    holds: those in force, the oldest first.
    """

    at: datetime
    channels: Sequence[str] = ()
    window: timedelta = timedelta(0)
    happened: Mapping[str, Happened] = field(default_factory=dict)
    open_routes: Mapping[str, OpenRoutes] = field(default_factory=dict)
    gates: Mapping[str, Gate] = field(default_factory=dict)
    audits: Mapping[str, AuditState] = field(default_factory=dict)
    failures: Sequence[FailureRecord] = ()
    totals: Totals | None = None
    limits: Mapping[str, ChannelLimit] = field(default_factory=dict)
    outstanding: Outstanding = field(default_factory=Outstanding)
    holds: Sequence[HoldRecord] = ()

    def activity(self, channel: str) -> Happened:
        """Returns what happened on the channel within the window."""
        return self.happened.get(channel, Happened())

    def open(self, channel: str) -> OpenRoutes:
        """Returns the channel's open routes."""
        return self.open_routes.get(channel, OpenRoutes())

    def gate(self, channel: str) -> Gate:
        """Returns whether the channel is open, paused or parked."""
        return self.gates.get(channel, Gate(channel))

    def audit(self, channel: str) -> AuditState:
        """Returns how far the loss audit of the channel has come."""
        return self.audits.get(channel, AuditState(channel))


@dataclass(frozen=True, slots=True)
class StreamsSnapshot:
    """Redis's half of a snapshot.

    intents: the service's group on the intents stream.
    queues: Dramatiq's, by channel.
    readers: who reads the commands, by installed channel.
    """

    intents: Group = field(default_factory=Group)
    processes: Sequence[ProcessSeen] = ()
    queues: Mapping[str, QueueState] = field(default_factory=dict)
    readers: Mapping[str, CommandReaders] = field(default_factory=dict)

    def living(self, role: str) -> Sequence[ProcessSeen]:
        """Returns the processes of this role that are not silent."""
        return [seen for seen in self.processes if seen.process.role == role and not seen.is_silent]

    def queue(self, channel: str) -> QueueState:
        """Returns the length of the channel's queue."""
        return self.queues.get(channel, QueueState())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot. `store` or `streams` is the error instead, if that server could not be read.

    at: when it was taken, by this machine's clock.
    installed: the channels that are installed.
    audit_interval: how often a channel's audit is due; zero if audits are off.
    """

    at: datetime
    store: StoreSnapshot | PublisherError
    streams: StreamsSnapshot | PublisherError
    installed: Sequence[str]
    audit_interval: timedelta

    @property
    def channels(self) -> Sequence[str]:
        """The channels, in order; only those that are installed if PostgreSQL could not be read."""
        return sorted(self.installed) if isinstance(self.store, PublisherError) else self.store.channels

    @property
    def problems(self) -> Sequence[str]:
        """Why a server could not be read; empty if both were."""
        return [str(half) for half in (self.store, self.streams) if isinstance(half, PublisherError)]


class Snapshots:
    """Takes one snapshot after the other, and remembers up to which mark it has counted. For one thread at a time."""

    def __init__(self, database: Database, client: redis.Redis, settings: Settings) -> None:
        self._database = database
        self._client = client
        self._register = ProcessRegister(client)
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
        )

    def _streams(self) -> StreamsSnapshot:
        intents, readers = read_streams(self._client, self._settings)
        return StreamsSnapshot(
            intents.state(self._settings.intents_group),
            self._register.seen(),
            queue_states(self._client, list(self._settings.channels)),
            readers,
        )

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
            next(iter(latest_replays(self._database, self._settings.intents_stream)), None),
            len(list_losses(self._database, acknowledged=False, limit=_LOSSES)),
        )
