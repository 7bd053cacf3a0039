"""Finds what is wrong in Redis's half of a snapshot: intents, delivery events, readers, mailers and the clock."""

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from publisher.operations.channels.readers import CommandReaders
from publisher.operations.snapshot.snapshot import StreamsSnapshot
from publisher.operations.verdict.given_up_wording import listed
from publisher.operations.verdict.verdict import LATE, Cause, Finding, Level, not_negative
from publisher.operations.wording import names
from publisher.streams.groups import Group

_NOTHING = timedelta(0)
# Commands that no group reads are told of from this share of the ceiling on: few may stand there for a while.
_NEAR_CEILING = 0.5


def streams_findings(streams: StreamsSnapshot, held_back: Collection[str]) -> Iterator[Finding]:
    """Findings about intents and delivery events that wait, the readers of every stream, mailers and the clock.

    streams: Redis's half of the snapshot. held_back: the channels of which the readers are told already.
    """
    yield from _intents(streams)
    yield from _events(streams)
    yield from _readers(streams, held_back)
    yield from _given_up(streams)
    yield from _mailers(streams)
    yield from _clock(streams)


def _intents(streams: StreamsSnapshot) -> Iterator[Finding]:
    state = streams.intents or Group()
    waiting, oldest = state.unread + state.pending, None if state.oldest is None else not_negative(state.oldest)
    if not streams.living("intake"):
        level = Level.WARNING if waiting == 0 else Level.FAILED
        yield Finding(level, Cause.NO_INTAKE, count=waiting, is_bound=state.is_bound, lasting=oldest)
    elif waiting != 0 and oldest is not None and oldest > LATE:
        yield Finding(Level.WARNING, Cause.INTENTS_LATE, count=waiting, is_bound=state.is_bound, lasting=oldest)


def _events(streams: StreamsSnapshot) -> Iterator[Finding]:
    state = streams.events
    if state is not None and state.unread + state.pending and state.oldest is not None and state.oldest > LATE:
        level = Level.WARNING if streams.living("intake") else Level.FAILED
        waiting = state.unread + state.pending
        yield Finding(level, Cause.EVENTS_LATE, None, waiting, state.is_bound, not_negative(state.oldest))


def _readers(streams: StreamsSnapshot, held_back: Collection[str]) -> Iterator[Finding]:
    """Findings about who reads the commands (R27)."""
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
    else:
        for group, streams in readers.leaving_partitions[:1]:
            yield Finding(
                Level.WARNING,
                Cause.NOT_READ,
                channel.name,
                group.unread,
                group.is_bound,
                group.oldest_unread,
                detail=f"group {group.name} reads nothing of {names(streams)}",
            )


def _reads_nothing(groups: Sequence[str]) -> str:
    return f"group {groups[0]} reads nothing" if len(groups) == 1 else f"groups {names(groups)} read nothing"


def _given_up(streams: StreamsSnapshot) -> Iterator[Finding]:
    if streams.given_up:
        count = sum(each.entries for each in streams.given_up)
        yield Finding(Level.WARNING, Cause.GIVEN_UP, count=count, detail=listed(streams.given_up))


def _mailers(streams: StreamsSnapshot) -> Iterator[Finding]:
    """A finding if mailers can send no mail: the emails wait with them and on the stream, and nothing fails."""
    stopped = [(each.seen_at + each.silent, each.process.trouble) for each in streams.living("mailer")]
    troubles = [(now - trouble.since, trouble.error) for now, trouble in stopped if trouble is not None]
    if troubles:
        lasting, error = max(troubles)
        yield Finding(Level.WARNING, Cause.NO_MAIL, count=len(troubles), lasting=not_negative(lasting), detail=error)


def _clock(streams: StreamsSnapshot) -> Iterator[Finding]:
    # Workers that see no scan look by themselves (R14a).
    if not streams.living("clock"):
        yield Finding(Level.WARNING, Cause.NO_CLOCK)
