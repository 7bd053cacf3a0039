"""The fields of a snapshot, by the names that `status --json` prints. A value that was not read is None."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from publisher.domain.circuit import Gate
from publisher.domain.delivery_event import EventKind
from publisher.domain.errors import PublisherError
from publisher.domain.notification import RouteStatus, delivery_id_of
from publisher.operations.channels.limits import limit_fields
from publisher.operations.channels.reader_fields import reader_fields
from publisher.operations.snapshot.failure_groups import FailureGroup, group_failures
from publisher.operations.snapshot.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot, Totals
from publisher.streams.groups import Group
from publisher.streams.heartbeats import ProcessSeen
from publisher.streams.hints import QueueState
from storage.accepting.replays import ReplayRecord
from storage.audit_states import AuditState
from storage.counts.counts import OpenRoutes

Fields = dict[str, object]

# As many of the newest failures are told one by one.
_FAILURES = 5
# Has every name that a snapshot of PostgreSQL has, for one that could not be read.
_UNREAD = StoreSnapshot(datetime.min.replace(tzinfo=UTC), totals=Totals())


def status_fields(snapshot: Snapshot) -> Fields:
    """Everything that `status` shows, totals among it. `problems` is there only if a server could not be read."""
    streams = _streams(snapshot)
    fields: Fields = {
        "channels": {channel: _channel_totals(snapshot, channel) for channel in snapshot.channels},
        "intents": _intents(snapshot),
        "delivery_events": None if streams is None else _events(streams),
        "streams_given_up": _given_up(streams),
        "mail_deferred": _deferred(_store(snapshot)),
        "processes": None if streams is None else _processes(streams.processes),
    }
    return fields | {"problems": snapshot.problems} if snapshot.problems else fields


def activity_fields(snapshot: Snapshot) -> Fields:
    """Everything that `status --watch` shows: what waits and what happens now, without totals."""
    store, streams = _store(snapshot), _streams(snapshot)
    return {
        "at": snapshot.at,
        "seconds": store and round(store.window.total_seconds(), 3),
        "channels": store
        and {channel: _channel_activity(store, channel) | _readers(streams, channel) for channel in store.channels},
        "recent_failures": store and [asdict(failure) for failure in store.failures[:_FAILURES]],
        "failure_groups": store and [_group_of(group) for group in group_failures(store.failures)],
        "intents": streams and streams.intents and _group(streams.intents),
        "delivery_events": streams and _events(streams),
        "streams_given_up": _given_up(streams),
        "processes": streams and _processes(streams.processes),
        "problems": snapshot.problems,
    }


def _store(snapshot: Snapshot) -> StoreSnapshot | None:
    return None if isinstance(snapshot.store, PublisherError) else snapshot.store


def _streams(snapshot: Snapshot) -> StreamsSnapshot | None:
    return None if isinstance(snapshot.streams, PublisherError) else snapshot.streams


def _channel_totals(snapshot: Snapshot, channel: str) -> Fields:
    store, streams = _store(snapshot), _streams(snapshot)
    known = _channel(store or _UNREAD, snapshot.audit_interval, channel)
    queue = _queue((streams or StreamsSnapshot()).queue(channel))
    known = known if store else dict.fromkeys(known)
    return known | (queue if streams else dict.fromkeys(queue)) | _readers(streams, channel)


def _readers(streams: StreamsSnapshot | None, channel: str) -> Fields:
    """None if Redis could not be read, or if the channel is not installed: nobody knows its stream."""
    found = None if streams is None else streams.readers.get(channel)
    return {"readers": found and reader_fields(found)}


def _channel(store: StoreSnapshot, interval: timedelta, channel: str) -> Fields:
    counts = {status.value: (store.totals or Totals()).count(channel, status) for status in RouteStatus}
    return {
        **{status: count.value for status, count in counts.items()},
        **_open(store.open(channel)),
        "estimated": [status for status, count in counts.items() if count.estimated],
        **_gate(store.gate(channel)),
        "limit": limit_fields(store.limits.get(channel)),
        **_audit(store.audit(channel)),
        "answers_last_hour": _answers(store.totals or Totals(), channel),
        "unanswered": _unanswered(store, channel),
        "audit_overdue": store.audit(channel).is_overdue(interval) if interval else None,
    }


def _channel_activity(store: StoreSnapshot, channel: str) -> Fields:
    happened, seconds = store.activity(channel), store.window.total_seconds()
    rates: Fields = {f"{name}_per_second": round(count / seconds, 3) for name, count in asdict(happened).items()}
    return {
        **_gate(store.gate(channel)),
        "limit": limit_fields(store.limits.get(channel)),
        **_audit(store.audit(channel)),
        **rates,
        **_open(store.open(channel)),
        "unanswered": _unanswered(store, channel),
    }


def _answers(totals: Totals, channel: str) -> Fields:
    """The events of the last hour by kind, those that came alone; `at_least` is true where there may be more."""
    counts = totals.answers.counts
    came: Fields = {kind.value: counts[channel, kind] for kind in EventKind if (channel, kind) in counts}
    return came | {"at_least": totals.answers.is_bound}


def _unanswered(store: StoreSnapshot, channel: str) -> Fields | None:
    """None: the channel expects no answers."""
    found = store.unanswered.get(channel)
    if found is None:
        return None
    return {
        "count": found.count,
        "at_least": found.is_bound,
        "oldest_seconds": found.oldest and round(found.oldest.total_seconds(), 3),
        "last_answer_seconds": found.last_answer and round(found.last_answer.total_seconds(), 3),
    }


def _events(streams: StreamsSnapshot) -> Fields | None:
    """None: Redis refused to show the group."""
    return None if streams.events is None else _group(streams.events)


def _given_up(streams: StreamsSnapshot | None) -> list[Fields] | None:
    """Those on which entries wait; None: Redis could not be read, or no worker has looked lately."""
    return None if streams is None or streams.given_up is None else [asdict(each) for each in streams.given_up]


def _intents(snapshot: Snapshot) -> Fields:
    store, streams = _store(snapshot), _streams(snapshot)
    found = None if streams is None else streams.intents
    group, totals = _group(found or Group()), _totals((store or _UNREAD).totals or Totals())
    return (group if found else dict.fromkeys(group)) | (totals if store else dict.fromkeys(totals))


def _open(routes: OpenRoutes) -> Fields:
    return {
        "pending": routes.pending,
        "failed": routes.failed,
        "due": routes.due,
        "oldest_due_seconds": routes.oldest_due and round(routes.oldest_due.total_seconds(), 3),
        "in_flight": routes.in_flight,
    }


def _gate(gate: Gate) -> Fields:
    return {
        "state": gate.state,
        "paused_at": gate.paused_at,
        "paused_by": gate.paused_by,
        "pause_reason": gate.pause_reason,
        "parked_at": gate.parked_at,
        "park_reason": gate.park_reason,
        "probe_at": gate.probe_at,
    }


def _audit(state: AuditState) -> Fields:
    return {"last_audited_at": state.audited_at}


def _group(group: Group) -> Fields:
    return {
        "lag": group.unread,
        "is_bound": group.is_bound,
        "pending": group.pending,
        "consumers": group.consumer_count,
    }


def _group_of(group: FailureGroup) -> Fields:
    example = group.example
    return {
        "channel": example.channel,
        "classification": example.classification,
        "message": example.message,
        "count": group.count,
        "first_at": group.first_at,
        "last_at": group.last_at,
        "example": delivery_id_of(example.notification_id, example.route_id),
    }


def _queue(queue: QueueState) -> Fields:
    return {"queued": queue.ready, "delayed": queue.delayed, "dead_messages": queue.dead}


def _totals(totals: Totals) -> Fields:
    return {"malformed": totals.malformed, "replay": _replay(totals.replay), "losses": totals.losses}


def _deferred(store: StoreSnapshot | None) -> Fields | None:
    """The messages that are tried again later; None: PostgreSQL could not be read."""
    if store is None or store.totals is None:
        return None
    found = store.totals.deferred
    return {
        "count": found.count,
        "at_least": found.is_bound,
        "oldest_seconds": found.oldest and round(found.oldest.total_seconds(), 3),
    }


def _replay(replay: ReplayRecord | None) -> Fields | None:
    if replay is None:
        return None
    return {
        "reason": replay.reason,
        "begun_at": replay.begun_at,
        "ended_at": replay.ended_at,
        "seen": replay.seen,
        "replayed": replay.replayed,
        "left_out": replay.left_out,
    }


def _processes(processes: Sequence[ProcessSeen]) -> list[Fields]:
    return [
        {
            "role": seen.process.role,
            "host": seen.process.host,
            "pid": seen.process.pid,
            "version": seen.process.version,
            "started_at": seen.process.started_at,
            "seen_at": seen.seen_at,
            "silent_seconds": round(seen.silent.total_seconds(), 3),
            "metrics_port": seen.process.metrics_port,
            "trouble": seen.process.trouble and seen.process.trouble.error,
            "trouble_since": seen.process.trouble and seen.process.trouble.since,
        }
        for seen in processes
    ]
