"""What `status` shows: read from each server by itself, so that one that is away hides nothing of the other (R35)."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from publisher.bootstrap import open_client, open_patient_database
from publisher.domain.errors import PublisherError
from publisher.domain.gate import Gate
from publisher.domain.notification import RouteStatus
from publisher.domain.timeouts import audit_interval
from publisher.operations.snapshot_fields import audit_fields, gate_fields, group_fields, open_fields, replay_fields
from publisher.settings.settings import Settings
from publisher.streams.inbound import GroupState, group_state
from publisher.streams.processes import ProcessRegister, ProcessSeen
from publisher.streams.queues import QueueState, queue_states
from storage import overview
from storage.audit_states import AuditState, audit_states
from storage.counts import Count, OpenRoutes, final_routes, open_routes
from storage.database import Database
from storage.gates import read_gates
from storage.losses import list_losses
from storage.rates import mark
from storage.replays import ReplayRecord, latest_replays

# More of them are no other matter.
_LOSSES = 1000


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """What PostgreSQL says. Mappings are by channel, or by channel and status; a channel without a row has nothing."""

    at: datetime
    counts: Mapping[tuple[str, RouteStatus], Count]
    open: Mapping[str, OpenRoutes]
    gates: Mapping[str, Gate]
    audits: Mapping[str, AuditState]
    audit_interval: timedelta
    malformed: int
    replay: ReplayRecord | None
    losses: int

    @property
    def channels(self) -> set[str]:
        """Every channel that has routes or a gate."""
        return {*(channel for channel, _ in self.counts), *self.open, *self.gates}

    def count(self, channel: str, status: RouteStatus) -> Count:
        """The routes of one status."""
        return self.counts.get((channel, status), Count())

    def gate(self, channel: str) -> Gate:
        """Whether the channel is open."""
        return self.gates.get(channel, Gate(channel))

    def audit(self, channel: str) -> AuditState:
        """When the loss audit last looked at all of the channel's routes."""
        return self.audits.get(channel, AuditState(channel))


@dataclass(frozen=True, slots=True)
class StreamsSnapshot:
    """What Redis says. queues: by channel."""

    intents: GroupState
    queues: Mapping[str, QueueState]
    processes: list[ProcessSeen]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both, or in the place of one the error that kept it from being read."""

    store: StoreSnapshot | PublisherError
    streams: StreamsSnapshot | PublisherError

    @property
    def problems(self) -> list[str]:
        """Why something could not be read; empty if everything was."""
        return [str(half) for half in (self.store, self.streams) if isinstance(half, PublisherError)]


def take_snapshot(settings: Settings, *, exact: bool) -> Snapshot:
    """Reads both servers. exact: counts every route. Raises SettingsError, and nothing that a server could cause."""
    store: StoreSnapshot | PublisherError
    streams: StreamsSnapshot | PublisherError
    with closing(open_patient_database(settings, "cli")) as database, open_client(settings, "cli") as client:
        try:
            store = _store(settings, database, exact=exact)
        except PublisherError as error:
            store = error
        try:
            streams = StreamsSnapshot(
                group_state(client, settings.intents_stream, settings.intents_group),
                queue_states(client, list(settings.channels)),
                ProcessRegister(client).seen(),
            )
        except PublisherError as error:
            streams = error
    return Snapshot(store, streams)


def channel_fields(snapshot: Snapshot, channel: str) -> dict[str, object]:
    """Everything about one channel, by the names that --json prints. What could not be read is None."""
    queue = None if isinstance(snapshot.streams, PublisherError) else snapshot.streams.queues.get(channel, QueueState())
    return {
        **_store_fields(snapshot.store, channel),
        "queued": queue and queue.ready,
        "delayed": queue and queue.delayed,
        "dead_messages": queue and queue.dead,
    }


def intents_fields(snapshot: Snapshot) -> dict[str, object]:
    """Everything about the intents, by the names that --json prints. What could not be read is None."""
    found: dict[str, object]
    if isinstance(snapshot.streams, PublisherError):
        found = dict.fromkeys(group_fields(GroupState()))
    else:
        found = group_fields(snapshot.streams.intents)
    if isinstance(snapshot.store, PublisherError):
        return found | dict.fromkeys(("malformed", "replay", "losses"))
    store = snapshot.store
    return found | {"malformed": store.malformed, "replay": replay_fields(store.replay), "losses": store.losses}


def _store_fields(store: StoreSnapshot | PublisherError, channel: str) -> dict[str, object]:
    if isinstance(store, PublisherError):
        fields = (open_fields(OpenRoutes()), gate_fields(Gate(channel)), audit_fields(AuditState(channel)))
        names = [*RouteStatus, *(name for each in fields for name in each), "estimated", "audit_overdue"]
        return dict.fromkeys(map(str, names))
    audit = store.audit(channel)
    return {
        **{status.value: store.count(channel, status).value for status in RouteStatus},
        **open_fields(store.open.get(channel, OpenRoutes())),
        "estimated": [status.value for status in RouteStatus if store.count(channel, status).estimated],
        **gate_fields(store.gate(channel)),
        **audit_fields(audit),
        "audit_overdue": audit.is_overdue(store.audit_interval) if store.audit_interval else None,
    }


def _store(settings: Settings, database: Database, *, exact: bool) -> StoreSnapshot:
    opened = open_routes(database)
    return StoreSnapshot(
        mark(database).at,
        _counts(database, opened, exact=exact),
        opened,
        read_gates(database),
        audit_states(database, settings.channels),
        audit_interval(settings.effective_audit_window),
        overview.count_malformed(database),
        next(iter(latest_replays(database, settings.intents_stream)), None),
        len(list_losses(database, acknowledged=False, limit=_LOSSES)),
    )


def _counts(
    database: Database, opened: Mapping[str, OpenRoutes], *, exact: bool
) -> Mapping[tuple[str, RouteStatus], Count]:
    if exact:
        return {key: Count(count) for key, count in overview.count_routes(database).items()}
    found = final_routes(database)
    for channel, routes in opened.items():
        found[channel, RouteStatus.PENDING] = Count(routes.pending)
        found[channel, RouteStatus.FAILED] = Count(routes.failed)
    return found
