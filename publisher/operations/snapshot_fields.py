"""The names under which `status --json` prints what it found."""

from dataclasses import asdict

from publisher.domain.errors import PublisherError
from publisher.domain.gate import Gate
from publisher.operations.snapshot import Frame, StoreLook
from publisher.streams.inbound import GroupState
from publisher.streams.processes import ProcessSeen
from storage.audit_states import AuditState
from storage.counts import OpenRoutes
from storage.rates import Happened
from storage.replays import ReplayRecord

Fields = dict[str, object]


def open_fields(routes: OpenRoutes) -> Fields:
    """What a channel has open."""
    return {
        "pending": routes.pending,
        "failed": routes.failed,
        "due": routes.due,
        "oldest_due_seconds": routes.oldest_due and round(routes.oldest_due.total_seconds(), 3),
        "in_flight": routes.in_flight,
    }


def gate_fields(gate: Gate) -> Fields:
    """Whether a channel is open, and what closes it."""
    return {
        "state": gate.state,
        "paused_at": gate.paused_at,
        "paused_by": gate.paused_by,
        "pause_reason": gate.pause_reason,
        "parked_at": gate.parked_at,
        "park_reason": gate.park_reason,
        "probe_at": gate.probe_at,
    }


def audit_fields(state: AuditState) -> Fields:
    """When the loss audit last looked at all of a channel's routes, null if it never did."""
    return {"last_audited_at": state.audited_at}


def group_fields(group: GroupState) -> Fields:
    """What waits on the intents stream."""
    return {"lag": group.lag, "pending": group.pending, "consumers": group.consumers}


def replay_fields(replay: ReplayRecord | None) -> Fields | None:
    """The last replay of intents that PostgreSQL may have lost; None if there was none."""
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


def process_fields(seen: ProcessSeen) -> Fields:
    """A process, and when it was last heard of."""
    return {
        "role": seen.process.role,
        "host": seen.process.host,
        "pid": seen.process.pid,
        "version": seen.process.version,
        "started_at": seen.process.started_at,
        "seen_at": seen.seen_at,
        "silent_seconds": round(seen.silent.total_seconds(), 3),
    }


def frame_fields(frame: Frame) -> Fields:
    """A frame of `--watch`. What could not be had is null, and `problems` says why."""
    found: Fields = {
        "at": frame.at,
        "seconds": None,
        "channels": None,
        "recent_failures": None,
        "intents": None,
        "processes": None,
        "problems": [str(look) for look in (frame.store, frame.streams) if isinstance(look, PublisherError)],
    }
    if not isinstance(frame.store, PublisherError):
        store = frame.store
        found["seconds"] = round(store.span.total_seconds(), 3)
        found["channels"] = {channel: _channel_fields(store, channel) for channel in store.channels}
        found["recent_failures"] = [asdict(failure) for failure in store.failures]
    if not isinstance(frame.streams, PublisherError):
        found["intents"] = group_fields(frame.streams.intents)
        found["processes"] = [process_fields(seen) for seen in frame.streams.processes]
    return found


def _channel_fields(store: StoreLook, channel: str) -> Fields:
    happened, seconds = store.happened.get(channel, Happened()), store.span.total_seconds()
    rates: Fields = {
        f"{name}_per_second": round(count / seconds, 3)
        for name, count in (
            ("published", happened.published),
            ("retried", happened.retried),
            ("dead_lettered", happened.dead_lettered),
        )
    }
    gate, routes = store.gates.get(channel, Gate(channel)), store.open.get(channel, OpenRoutes())
    audit = store.audits.get(channel, AuditState(channel))
    return {**gate_fields(gate), **audit_fields(audit), **rates, **open_fields(routes)}
