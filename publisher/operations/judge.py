"""Judges a snapshot: finds everything that is wrong with the service, and puts the worst first."""

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from publisher.domain.circuit import Gate, GateState
from publisher.domain.errors import PublisherError, SchemaOutdated
from publisher.operations.holds import holds_on
from publisher.operations.readers import CommandReaders
from publisher.operations.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.operations.verdict import Cause, Finding, Level, Verdict
from publisher.operations.wording import coarse, names
from publisher.streams.append_result import is_held_back
from storage.audit_states import OVERDUE_AFTER_INTERVALS
from storage.outstanding import Waiting

# Routes are claimed and intents accepted within seconds: those that wait for longer are late.
_LATE = timedelta(minutes=1)
_NOTHING = timedelta(0)
# Commands that no group reads are told of from this share of the ceiling on: few may stand there for a while.
_NEAR_CEILING = 0.5


def judge(snapshot: Snapshot) -> Verdict:
    """Judges a snapshot, whichever totals it holds."""
    store = None if isinstance(snapshot.store, PublisherError) else snapshot.store
    streams = None if isinstance(snapshot.streams, PublisherError) else snapshot.streams
    found = [*_unread(snapshot, store)]
    if store is not None:
        found += [
            *_routes(snapshot, store, streams),
            *_holds(store),
            *_outstanding(store),
            *_unanswered(store),
            *_audits(snapshot, store, streams),
        ]
    if streams is not None:
        found += [*_intents(streams), *_events(streams)]
        found += _readers(streams, [each.channel or "" for each in found if each.cause is Cause.HELD_BACK])
        found += [*_mailers(streams), *_clock(streams)]
    if store is not None and streams is not None and _is_unused(store, streams):
        # Nothing waits: that no process runs is part of what comes next.
        found = [finding for finding in found if finding.level is Level.FAILED or finding.channel is not None]
        found.append(Finding(Level.OK, Cause.NOTHING_SENT, missing=_missing(streams)))
    levels, causes = list(Level), list(Cause)
    ordered = sorted(found, key=lambda finding: (levels.index(finding.level), causes.index(finding.cause)))
    return Verdict(ordered or [Finding(Level.OK, Cause.ALL_WELL)])


def _unread(snapshot: Snapshot, store: StoreSnapshot | None) -> Iterator[Finding]:
    if isinstance(snapshot.store, PublisherError):
        behind = isinstance(snapshot.store, SchemaOutdated)
        cause = Cause.SCHEMA_BEHIND if behind else Cause.POSTGRESQL_UNREAD
        yield Finding(Level.FAILED, cause, detail=str(snapshot.store))
    if isinstance(snapshot.streams, PublisherError):
        count, oldest = (0, None) if store is None else _due(store, _served(snapshot, store))
        yield Finding(Level.FAILED, Cause.REDIS_UNREAD, count=count, lasting=oldest, detail=str(snapshot.streams))


def _routes(snapshot: Snapshot, store: StoreSnapshot, streams: StreamsSnapshot | None) -> Iterator[Finding]:
    for channel in store.channels:
        routes, gate = store.open(channel), store.gate(channel)
        if channel not in snapshot.installed and routes.pending + routes.failed:
            yield Finding(Level.FAILED, Cause.NOT_INSTALLED, channel, routes.pending + routes.failed)
        elif gate.state is not GateState.OPEN:
            yield _closed(store, gate)
    if streams is None:
        return
    served = _served(snapshot, store)
    count, oldest = _due(store, served)
    if not streams.living("worker"):
        yield Finding(Level.FAILED if count else Level.WARNING, Cause.NO_WORKER, count=count, lasting=oldest)
        return
    # A hold keeps routes waiting for as long as it is there: how late the others are cannot be told from their age.
    told = [channel for channel in served if not holds_on(channel, store.holds)]
    late = [channel for channel in told if (store.open(channel).oldest_due or _NOTHING) > _LATE]
    for channel in [channel for channel in late if channel in store.limits and store.limits[channel].slows]:
        late.remove(channel)
        count, oldest = _due(store, [channel])
        limit = store.limits[channel].limit
        yield Finding(Level.WARNING, Cause.LIMITED, channel, count, lasting=oldest, detail=str(limit))
    if late:
        count, oldest = _due(store, late)
        yield Finding(Level.WARNING, Cause.LATE, late[0] if len(late) == 1 else None, count, lasting=oldest)


def _holds(store: StoreSnapshot) -> Iterator[Finding]:
    if store.holds:
        newest = store.holds[-1]
        lasting = _since(store.at - newest.held_at)
        yield Finding(
            Level.WARNING, Cause.HOLDS, None, len(store.holds), lasting=lasting, by=newest.held_by, detail=newest.reason
        )


def _closed(store: StoreSnapshot, gate: Gate) -> Finding:
    due = store.open(gate.channel).due
    if gate.paused_at is not None:
        return Finding(
            Level.WARNING,
            Cause.PAUSED,
            gate.channel,
            due,
            lasting=_since(store.at - gate.paused_at),
            by=gate.paused_by or "",
            detail=gate.pause_reason or "",
        )
    reason = gate.park_reason or ""
    return Finding(
        Level.FAILED if due else Level.WARNING,
        Cause.HELD_BACK if is_held_back(reason) else Cause.CIRCUIT_OPEN,
        gate.channel,
        due,
        lasting=None if gate.parked_at is None else _since(store.at - gate.parked_at),
        detail=reason,
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


def _unanswered(store: StoreSnapshot) -> Iterator[Finding]:
    for channel, found in store.unanswered.items():
        if found.count:
            ago = "" if found.last_answer is None else f"the last answer came {coarse(found.last_answer)} ago"
            yield Finding(
                Level.WARNING, Cause.UNANSWERED, channel, found.count, found.is_bound, found.oldest, detail=ago
            )


def _records(level: Level, cause: Cause, records: Waiting) -> Finding:
    age = None if records.newest_age is None else _since(records.newest_age)
    return Finding(level, cause, count=records.count, is_bound=records.is_bound, lasting=age, detail=records.newest)


def _audits(snapshot: Snapshot, store: StoreSnapshot, streams: StreamsSnapshot | None) -> Iterator[Finding]:
    interval = snapshot.audit_interval
    workers = [] if streams is None else streams.living("worker")
    # Before a worker has been up for so long there is nothing to mend: its audit may be under way.
    at_work = any(
        seen.seen_at + seen.silent - seen.process.started_at > OVERDUE_AFTER_INTERVALS * interval for seen in workers
    )
    for channel in store.channels:
        state = store.audit(channel)
        if interval and state.is_overdue(interval):
            level = Level.FAILED if at_work else Level.WARNING
            yield Finding(level, Cause.AUDIT_OVERDUE, channel, None, lasting=state.age)


def _intents(streams: StreamsSnapshot) -> Iterator[Finding]:
    state = streams.intents
    waiting, oldest = state.unread + state.pending, None if state.oldest is None else _since(state.oldest)
    if not streams.living("intake"):
        level = Level.WARNING if waiting == 0 else Level.FAILED
        yield Finding(level, Cause.NO_INTAKE, count=waiting, is_bound=state.is_bound, lasting=oldest)
    elif waiting != 0 and oldest is not None and oldest > _LATE:
        yield Finding(Level.WARNING, Cause.INTENTS_LATE, count=waiting, is_bound=state.is_bound, lasting=oldest)


def _events(streams: StreamsSnapshot) -> Iterator[Finding]:
    state = streams.events
    if state is not None and state.unread + state.pending and state.oldest is not None and state.oldest > _LATE:
        level = Level.WARNING if streams.living("intake") else Level.FAILED
        waiting = state.unread + state.pending
        yield Finding(level, Cause.EVENTS_LATE, None, waiting, state.is_bound, _since(state.oldest))


def _readers(streams: StreamsSnapshot, held_back: Collection[str]) -> Iterator[Finding]:
    """Findings about who reads the commands (R27). held_back: the channels of which the readers are told already."""
    for channel, readers in streams.readers.items():
        if channel not in held_back:
            yield from _not_read(readers)
        if groups := readers.holding_for_the_gone:
            consumers = [consumer for group in groups for consumer in group.gone]
            yield Finding(
                Level.WARNING,
                Cause.READER_GONE,
                channel,
                sum(consumer.pending for consumer in consumers),
                lasting=min(consumer.idle for consumer in consumers),
                detail=names([consumer.name for consumer in consumers]),
            )


def _not_read(readers: CommandReaders) -> Iterator[Finding]:
    waiting = readers.unread_by_all
    channel, ceiling = readers.channel, readers.channel.holds_back_at
    if ceiling and waiting >= ceiling * _NEAR_CEILING:
        detail = f"no group reads {channel.stream}, and at {ceiling:,} the channel waits"
        yield Finding(Level.WARNING, Cause.NOT_READ, channel.name, waiting, detail=detail)
    elif groups := readers.reading_nothing:
        worst = max(groups, key=lambda group: group.oldest_unread or _NOTHING)
        yield Finding(
            Level.WARNING,
            Cause.NOT_READ,
            channel.name,
            worst.unread,
            worst.is_bound,
            worst.oldest_unread,
            detail=_reads_nothing([group.name for group in groups]),
        )


def _reads_nothing(groups: Sequence[str]) -> str:
    return f"group {groups[0]} reads nothing" if len(groups) == 1 else f"groups {names(groups)} read nothing"


def _mailers(streams: StreamsSnapshot) -> Iterator[Finding]:
    """A finding if mailers can send no mail: the emails wait with them and on the stream, and nothing fails."""
    stopped = [(each.seen_at + each.silent, each.process.trouble) for each in streams.living("mailer")]
    troubles = [(now - trouble.since, trouble.error) for now, trouble in stopped if trouble is not None]
    if troubles:
        lasting, error = max(troubles)
        yield Finding(Level.WARNING, Cause.NO_MAIL, count=len(troubles), lasting=_since(lasting), detail=error)


def _clock(streams: StreamsSnapshot) -> Iterator[Finding]:
    # Workers that see no scan look by themselves (R14a).
    if not streams.living("clock"):
        yield Finding(Level.WARNING, Cause.NO_CLOCK)


def _served(snapshot: Snapshot, store: StoreSnapshot) -> Sequence[str]:
    installed = [channel for channel in store.channels if channel in snapshot.installed]
    return [channel for channel in installed if store.gate(channel).state is GateState.OPEN]


def _due(store: StoreSnapshot, channels: Sequence[str]) -> tuple[int, timedelta | None]:
    routes = [store.open(channel) for channel in channels]
    waits = [each.oldest_due for each in routes if each.oldest_due is not None]
    return sum(each.due for each in routes), max(waits, default=None)


def _is_unused(store: StoreSnapshot, streams: StreamsSnapshot) -> bool:
    return store.outstanding.is_unused and not streams.intents.unread and not streams.intents.pending


def _missing(streams: StreamsSnapshot) -> Sequence[str]:
    return tuple(role for role in ("worker", "clock", "intake") if not streams.living(role))


def _since(duration: timedelta) -> timedelta:
    # Clocks of two machines may differ.
    return max(duration, _NOTHING)
