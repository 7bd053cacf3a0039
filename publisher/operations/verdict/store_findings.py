"""Finds what is wrong in PostgreSQL's half of a snapshot: routes, closed channels, audits, records for operators."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from publisher.domain.circuit import Gate, GateState
from publisher.operations.holds.holds import holds_on
from publisher.operations.snapshot.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.operations.verdict.verdict import LATE, Cause, Finding, Level, not_negative
from publisher.operations.wording import coarse
from publisher.streams.append_result import is_held_back
from storage.answers.answered_failed import AnsweredFailed
from storage.audit_states import OVERDUE_AFTER_INTERVALS
from storage.counts.outstanding import Waiting

_NOTHING = timedelta(0)


def store_findings(snapshot: Snapshot, store: StoreSnapshot, streams: StreamsSnapshot | None) -> Iterator[Finding]:
    """Findings about routes, channels, holds, answers, audits and what waits for an operator.

    store: PostgreSQL's half of the snapshot. streams: Redis's half; None: it could not be read.
    """
    yield from _routes(snapshot, store, streams)
    yield from _holds(store)
    yield from _outstanding(store)
    yield from _unanswered(store)
    yield from _answered_failed(store)
    yield from _audits(snapshot, store, streams)


def _routes(snapshot: Snapshot, store: StoreSnapshot, streams: StreamsSnapshot | None) -> Iterator[Finding]:
    for channel in store.channels:
        routes, gate = store.open(channel), store.gate(channel)
        if channel not in snapshot.installed and routes.pending + routes.failed:
            yield Finding(Level.FAILED, Cause.NOT_INSTALLED, channel, routes.pending + routes.failed)
        elif gate.state is not GateState.OPEN:
            yield _closed(store, gate)
    if streams is None:
        return
    served = served_channels(snapshot, store)
    count, oldest = due_routes(store, served)
    if not streams.living("worker"):
        yield Finding(Level.FAILED if count else Level.WARNING, Cause.NO_WORKER, count=count, lasting=oldest)
        return
    # A hold keeps routes waiting for as long as it is there: how late the others are cannot be told from their age.
    told = [channel for channel in served if not holds_on(channel, store.holds)]
    late = [channel for channel in told if (store.open(channel).oldest_due or _NOTHING) > LATE]
    for channel in [channel for channel in late if channel in store.limits and store.limits[channel].slows]:
        late.remove(channel)
        count, oldest = due_routes(store, [channel])
        limit = store.limits[channel].limit
        yield Finding(Level.WARNING, Cause.LIMITED, channel, count, lasting=oldest, detail=str(limit))
    if late:
        count, oldest = due_routes(store, late)
        yield Finding(Level.WARNING, Cause.LATE, late[0] if len(late) == 1 else None, count, lasting=oldest)


def _closed(store: StoreSnapshot, gate: Gate) -> Finding:
    due = store.open(gate.channel).due
    if gate.paused_at is not None:
        return Finding(
            Level.WARNING,
            Cause.PAUSED,
            gate.channel,
            due,
            lasting=not_negative(store.at - gate.paused_at),
            by=gate.paused_by or "",
            detail=gate.pause_reason or "",
        )
    reason = gate.park_reason or ""
    return Finding(
        Level.FAILED if due else Level.WARNING,
        Cause.HELD_BACK if is_held_back(reason) else Cause.CIRCUIT_OPEN,
        gate.channel,
        due,
        lasting=None if gate.parked_at is None else not_negative(store.at - gate.parked_at),
        detail=reason,
    )


def _holds(store: StoreSnapshot) -> Iterator[Finding]:
    if store.holds:
        newest = store.holds[-1]
        lasting = not_negative(store.at - newest.held_at)
        yield Finding(
            Level.WARNING, Cause.HOLDS, None, len(store.holds), lasting=lasting, by=newest.held_by, detail=newest.reason
        )


def _outstanding(store: StoreSnapshot) -> Iterator[Finding]:
    waiting = store.outstanding
    for level, cause, records in (
        (Level.FAILED, Cause.LOSSES, waiting.losses),
        (Level.WARNING, Cause.HELD_MAIL, waiting.held_mail),
        (Level.WARNING, Cause.DEAD_LETTERS, waiting.dead_letters),
        (Level.WARNING, Cause.MALFORMED, waiting.malformed),
    ):
        if records.count:
            yield _records(level, cause, records)


def _records(level: Level, cause: Cause, records: Waiting) -> Finding:
    age = None if records.newest_age is None else not_negative(records.newest_age)
    return Finding(level, cause, count=records.count, is_bound=records.is_bound, lasting=age, detail=records.newest)


def _unanswered(store: StoreSnapshot) -> Iterator[Finding]:
    for channel, found in store.unanswered.items():
        if found.count:
            ago = "" if found.last_answer is None else f"the last answer came {coarse(found.last_answer)} ago"
            yield Finding(
                Level.WARNING, Cause.UNANSWERED, channel, found.count, found.is_bound, found.oldest, detail=ago
            )


def _answered_failed(store: StoreSnapshot) -> Iterator[Finding]:
    for channel, found in sorted(store.answered_failed.items()):
        yield Finding(
            Level.WARNING,
            Cause.ANSWERED_FAILED,
            channel,
            found.count,
            found.is_bound,
            not_negative(found.newest_age),
            detail=_why_failed(found),
        )


def _why_failed(found: AnsweredFailed) -> str:
    at_fault = found.fault and f"{found.fault.value} at fault"
    return ": ".join(filter(None, (at_fault, found.diagnostic or found.code))) or "its source does not say why"


def _audits(snapshot: Snapshot, store: StoreSnapshot, streams: StreamsSnapshot | None) -> Iterator[Finding]:
    interval = snapshot.audit_interval
    workers = [] if streams is None else streams.living("worker")
    # Before a worker has been up for so long there is nothing to mend: its audit may be under way.
    at_work = any(
        seen.seen_at + seen.silent - seen.process.started_at > OVERDUE_AFTER_INTERVALS * interval for seen in workers
    )
    # Nobody audits a channel that is not installed any more.
    for channel in (name for name in store.channels if name in snapshot.installed):
        state = store.audit(channel)
        if interval and state.is_overdue(interval):
            level = Level.FAILED if at_work else Level.WARNING
            yield Finding(level, Cause.AUDIT_OVERDUE, channel, None, lasting=state.age)


def served_channels(snapshot: Snapshot, store: StoreSnapshot) -> Sequence[str]:
    """Returns the channels whose routes are claimed: those that are installed and open."""
    installed = [channel for channel in store.channels if channel in snapshot.installed]
    return [channel for channel in installed if store.gate(channel).state is GateState.OPEN]


def due_routes(store: StoreSnapshot, channels: Sequence[str]) -> tuple[int, timedelta | None]:
    """Returns how many routes of the channels are due, and how long the oldest has been; None: no route is."""
    routes = [store.open(channel) for channel in channels]
    waits = [each.oldest_due for each in routes if each.oldest_due is not None]
    return sum(each.due for each in routes), max(waits, default=None)
