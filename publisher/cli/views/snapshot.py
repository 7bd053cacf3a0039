"""Renders a snapshot for `status --watch`: a pure function over values. Colour repeats what the text says."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from publisher.cli.terminal.layout import Hanging, Rows
from publisher.cli.terminal.output import one_line, show
from publisher.cli.views.verdict import verdict_lines
from publisher.domain.circuit import GateState
from publisher.domain.errors import PublisherError
from publisher.domain.notification import delivery_id_of
from publisher.operations.channels.limits_wording import limit_line
from publisher.operations.channels.readers_wording import reader_lines
from publisher.operations.snapshot.failure_groups import FailureGroup, group_failures
from publisher.operations.snapshot.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.operations.snapshot.wording import events_line, intents_line, roles
from publisher.operations.verdict.judge import judge
from publisher.operations.wording import coarse, figure, many, rate
from publisher.streams.heartbeats import ProcessSeen

# More processes, readers and groups of failures than these are a number.
_PROCESSES = 6
_READERS = 8
_GROUPS = 4
_LIMITS = 4
# Characters of a failure's message that a screen is shown, which is drawn anew each second.
_MESSAGE = 300
_NUMBERS = ("published/s", "retried/s", "dead/s", "due", "oldest", "in flight")
# What is wrong stands out where there is colour; a paused channel is meant to be.
_WRONG, _MEANT = "bold red", "yellow"


def render(snapshot: Snapshot, interval: timedelta, width: int) -> RenderableType:
    """Renders a snapshot for so many columns. interval: how often one is taken."""
    title = f"notification-publisher  {show(snapshot.at)}  every {interval.total_seconds():g} s, Ctrl-C ends it"
    parts: list[RenderableType] = [Hanging(Text(title, "bold")), *verdict_lines(judge(snapshot)), Text("")]
    if not isinstance(snapshot.store, PublisherError):
        parts += [_channels(snapshot.store), *_limits(snapshot.store), Text("")]
    if not isinstance(snapshot.streams, PublisherError):
        parts += _streams(snapshot.streams)
    if not isinstance(snapshot.store, PublisherError):
        parts += _failures(snapshot.store, width)
    return Group(*parts)


def _channels(store: StoreSnapshot) -> RenderableType:
    return Rows(("channel", "state", *_NUMBERS), [_channel(store, name) for name in store.channels], _NUMBERS)


def _channel(store: StoreSnapshot, channel: str) -> Sequence[Text]:
    happened, routes, state = store.activity(channel), store.open(channel), store.gate(channel).state
    return (
        Text(one_line(channel)),
        Text(state.value, _style(state)),
        Text(rate(happened.published, store.window)),
        Text(rate(happened.retried, store.window)),
        Text(rate(happened.dead_lettered, store.window), _WRONG if happened.dead_lettered else ""),
        Text(figure(routes.due)),
        Text("–" if routes.oldest_due is None else coarse(routes.oldest_due)),
        Text(figure(routes.in_flight)),
    )


def _limits(store: StoreSnapshot) -> Iterator[RenderableType]:
    limits = list(store.limits.values())
    for n, limit in enumerate(limits[:_LIMITS]):
        yield _beside("" if n else "limits", limit_line(limit))
    if len(limits) > _LIMITS:
        yield _beside("", f"and {len(limits) - _LIMITS:,} more")


def _streams(streams: StreamsSnapshot) -> Iterator[RenderableType]:
    yield _beside("intents", intents_line(streams.intents))
    if events := events_line(streams.events):
        yield _beside("events", events)
    lines = [line for readers in streams.readers.values() for line in reader_lines(readers)]
    for n, (line, is_wrong) in enumerate(lines[:_READERS]):
        yield _beside("" if n else "readers", line, _MEANT if is_wrong else "")
    if len(lines) > _READERS:
        yield _beside("", f"and {len(lines) - _READERS:,} more")
    missing = any(seen.is_silent for seen in streams.processes) or "no " in roles(streams.processes)
    yield _beside("processes", roles(streams.processes), _MEANT if missing else "")
    # Those that fell silent first: they were killed, or cannot reach Redis.
    ordered = sorted(streams.processes, key=lambda seen: not seen.is_silent)
    for seen in ordered[:_PROCESSES]:
        yield _process(seen)
    if len(ordered) > _PROCESSES:
        yield Text(f"  and {len(ordered) - _PROCESSES:,} more")


def _beside(name: str, text: str, style: str = "") -> Hanging:
    return Hanging(Text(one_line(text), style), Text(f"{name:<9}"))


def _process(seen: ProcessSeen) -> Hanging:
    process = seen.process
    named = f"{process.host} pid {process.pid}, version {process.version}"
    if seen.is_silent:
        said = f"{named}, silent for {coarse(seen.silent)}: killed, or cut off from Redis"
    else:
        up = coarse(seen.seen_at + seen.silent - process.started_at)
        said = f"{named}, up {up}, seen {coarse(seen.silent)} ago"
    return Hanging(Text(one_line(said), _WRONG if seen.is_silent else ""), Text(f"  {one_line(process.role):<6}"))


def _failures(store: StoreSnapshot, width: int) -> Iterator[RenderableType]:
    if not store.failures:
        return
    groups = group_failures(store.failures)
    yield Text("")
    yield Hanging(Text(f"the newest {many(len(store.failures), 'failed attempt')}, equal ones together"))
    for group in groups[:_GROUPS]:
        yield from _group(store, group, width)
    if len(groups) > _GROUPS:
        yield Text(f"  and {len(groups) - _GROUPS:,} other failures")


def _group(store: StoreSnapshot, group: FailureGroup, width: int) -> Iterator[RenderableType]:
    failure = group.example
    message = one_line(failure.message)
    if len(message) > _MESSAGE < width:
        message = f"{message[:_MESSAGE]}…"
    said = f"{one_line(failure.channel)}: {one_line(failure.classification)}: {message}"
    yield Hanging(Text(said), Text(f"{group.count:>5} ×"))
    first, last = coarse(store.at - group.first_at), coarse(store.at - group.last_at)
    since = f"{last} ago" if group.count == 1 else f"{last} ago, the first {first} ago"
    example = one_line(delivery_id_of(failure.notification_id, failure.route_id))
    # An id that the screen would cut is of no use: the notification's is shorter, and leads there too.
    if len(example) > width - 11:
        example = failure.notification_id
    yield Hanging(Text(f"{since}, such as {example}"), indent=9)


def _style(state: GateState) -> str:
    return {GateState.OPEN: "", GateState.PAUSED: _MEANT, GateState.PARKED: _WRONG}[state]
