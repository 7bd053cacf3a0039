"""Reads the gauges off a snapshot: nothing is counted that `publisher status` does not show as well (R25, R35)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from heapq import nlargest

from publisher.domain.circuit import GateState
from publisher.domain.errors import PublisherError
from publisher.observability import catalogue as c
from publisher.observability.catalogue import Gauge
from publisher.operations.channels.readers import CommandReaders
from publisher.operations.snapshot.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.operations.verdict.judge import judge

# The roles of the Procfile: one of which no process runs is 0, and not missing.
_ROLES = ("worker", "clock", "intake", "mailer", "web")

# The last signs of life of so many processes, the newest. Killed ones are remembered for an hour, and where processes
# crash again and again each leaves a series.
_PROCESSES = 300


@dataclass(frozen=True, slots=True)
class Sample:
    """The value of a gauge. labels: in the order of the gauge's names."""

    gauge: Gauge
    labels: tuple[str, ...]
    value: float


def gauges_of(snapshot: Snapshot) -> Sequence[Sample]:
    """Returns the samples of a snapshot. What a server could not tell has none.

    Labels that come twice would spoil a scrape: the highest value stands. Two groups whose long names begin alike are
    one, and so are a process that was killed and its successor with the same number, in the same container.
    """
    found: dict[tuple[Gauge, tuple[str, ...]], Sample] = {}
    for sample in _samples(snapshot):
        key = sample.gauge, sample.labels
        if key not in found or found[key].value < sample.value:
            found[key] = sample
    return list(found.values())


def _samples(snapshot: Snapshot) -> Iterator[Sample]:
    store = None if isinstance(snapshot.store, PublisherError) else snapshot.store
    streams = None if isinstance(snapshot.streams, PublisherError) else snapshot.streams
    yield _sample(c.TAKEN, snapshot.at.timestamp())
    yield _sample(c.READ, store is not None, "postgresql")
    yield _sample(c.READ, streams is not None, "redis")
    found = {(f.level.value, f.cause.value, f.channel or "") for f in judge(snapshot).findings}
    yield from (_sample(c.FINDING, 1, *labels) for labels in sorted(found))
    if store is not None:
        yield from _outstanding(store)
        for channel in store.channels:
            yield from _channel(store, channel)
            if snapshot.audit_interval and channel in snapshot.installed:
                overdue = store.audit(channel).is_overdue(snapshot.audit_interval)
                yield _sample(c.AUDIT_OVERDUE, overdue, channel)
    if streams is not None:
        yield from _intake(streams)
        if streams.given_up is not None:
            yield _sample(c.GIVEN_UP, sum(each.entries for each in streams.given_up))
        yield from _processes(streams)
        for channel, readers in streams.readers.items():
            yield from _readers(channel, readers)
            yield _sample(c.QUEUED, streams.queue(channel).ready, channel)


def _sample(gauge: Gauge, value: float, *labels: str) -> Sample:
    # A host may have a name that is no UTF-8: its surrogates would spoil the whole scrape.
    return Sample(gauge, tuple(label.encode(errors="replace").decode() for label in labels), float(value))


def _age(gauge: Gauge, age: timedelta | None, *labels: str) -> Sample:
    """The age of the first of those that wait; 0: none waits. Clocks of two machines may differ."""
    return _sample(gauge, max(0.0, age.total_seconds()) if age is not None else 0.0, *labels)


def _outstanding(store: StoreSnapshot) -> Iterator[Sample]:
    waiting = store.outstanding
    yield _sample(c.HOLDS, len(store.holds))
    yield _sample(c.DEAD_LETTERS, waiting.dead_letters.count)
    yield _sample(c.MALFORMED, waiting.malformed.count)
    yield _sample(c.LOSSES, waiting.losses.count)
    yield _sample(c.HELD_MAIL, waiting.held_mail.count)


def _channel(store: StoreSnapshot, channel: str) -> Iterator[Sample]:
    routes, limit, audit = store.open(channel), store.limits.get(channel), store.audit(channel)
    yield _sample(c.OPEN, routes.pending, channel, "pending")
    yield _sample(c.OPEN, routes.failed, channel, "failed")
    yield _sample(c.DUE, routes.due, channel)
    yield _age(c.OLDEST_DUE, routes.oldest_due, channel)
    yield _sample(c.IN_FLIGHT, routes.in_flight, channel)
    yield from (_sample(c.STATE, store.gate(channel).state is state, channel, state.value) for state in GateState)
    if limit is not None and limit.limit is not None:
        yield _sample(c.LIMIT, limit.limit.per_second, channel)
        if limit.used is not None:
            yield _sample(c.LIMIT_USED, limit.used, channel)
    if audit.audited_at is not None:
        yield _sample(c.AUDITED, audit.audited_at.timestamp(), channel)
    if channel in store.unanswered:
        yield _sample(c.UNANSWERED, store.unanswered[channel].count, channel)


def _intake(streams: StreamsSnapshot) -> Iterator[Sample]:
    if streams.intents is not None:
        yield _sample(c.INTENTS_UNREAD, streams.intents.unread)
        yield _sample(c.INTENTS_PENDING, streams.intents.pending)
        yield _age(c.INTENTS_OLDEST, streams.intents.oldest)
    if streams.events is not None:
        yield _sample(c.EVENTS_UNREAD, streams.events.unread)
        yield _sample(c.EVENTS_PENDING, streams.events.pending)
        yield _age(c.EVENTS_OLDEST, streams.events.oldest)


def _readers(channel: str, readers: CommandReaders) -> Iterator[Sample]:
    for group in readers.groups:
        yield _sample(c.COMMANDS_UNREAD, group.unread, channel, group.name)
        yield _sample(c.COMMANDS_PENDING, group.pending, channel, group.name)
        yield _age(c.COMMANDS_OLDEST, group.oldest_unread, channel, group.name)
        # Nobody asked since the first unread command came, if nobody ever did. Missing if the consumers were not read.
        if group.consumers is not None:
            last_read = group.oldest_unread if group.last_read is None else group.last_read
            yield _age(c.LAST_READ, last_read, channel, group.name)
    ceiling = readers.channel.holds_back_at
    if ceiling:
        # Those that the slowest group has not acknowledged stand against it (R13).
        waiting = 0 if isinstance(readers.found, PublisherError) else readers.found.waiting
        yield _sample(c.CEILING_USED, waiting / ceiling, channel)


def _processes(streams: StreamsSnapshot) -> Iterator[Sample]:
    for role in _ROLES:
        yield _sample(c.PROCESSES, len(streams.living(role)), role)
    for seen in nlargest(_PROCESSES, streams.processes, key=lambda each: each.seen_at):
        process = seen.process
        yield _sample(c.LAST_SEEN, seen.seen_at.timestamp(), process.role, process.host, str(process.pid))
