"""Renders a snapshot for `status --watch`: a pure function over values. Colour repeats what the text says."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from publisher.cli.output import one_line, printable, show
from publisher.cli.wording import closed, figure, rate
from publisher.domain.circuit import GateState
from publisher.domain.errors import PublisherError
from publisher.operations.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.operations.wording import coarse
from publisher.streams.heartbeats import ProcessSeen

# One sign of life is given every five seconds.
SILENT = timedelta(seconds=15)
# More processes than these are a number.
_PROCESSES = 6
_ROLES = ("worker", "clock", "intake")
# What is wrong stands out where there is colour; a paused channel is meant to be.
_WRONG, _MEANT = "bold red", "yellow"


def render(snapshot: Snapshot, interval: timedelta) -> RenderableType:
    """Renders a snapshot for 80 columns or more. interval: how often one is taken."""
    title = f"notification-publisher  {show(snapshot.at)}  every {interval.total_seconds():g} s, Ctrl-C ends it"
    parts: list[RenderableType] = [Text(title, style="bold", overflow="ellipsis", no_wrap=True)]
    if isinstance(snapshot.store, PublisherError):
        parts += [Text(""), _line(str(snapshot.store), _WRONG), Text("")]
    else:
        parts += [Text(""), _channels(snapshot.store), Text(""), *_gates(snapshot.store)]
    if isinstance(snapshot.streams, PublisherError):
        parts.append(_line(str(snapshot.streams), _WRONG))
    else:
        parts += _streams(snapshot.streams)
    if not isinstance(snapshot.store, PublisherError):
        parts += _failures(snapshot.store)
    return Group(*parts)


def roles(processes: Sequence[ProcessSeen]) -> str:
    """Counts the processes of each role that live, and names a role that has none: `2 workers, 1 clock, no intake`."""
    alive = [seen.process.role for seen in processes if seen.silent <= SILENT]
    known = [*_ROLES, *sorted({*alive} - {*_ROLES})]
    return ", ".join(_many(alive.count(role), role) for role in known)


def _channels(store: StoreSnapshot) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("channel", overflow="fold")
    table.add_column("state", no_wrap=True)
    for name in ("published/s", "retried/s", "dead/s", "due", "oldest", "in flight"):
        table.add_column(name, justify="right", no_wrap=True)
    for channel in store.channels:
        happened = store.activity(channel)
        routes = store.open(channel)
        state = store.gate(channel).state
        table.add_row(
            Text(one_line(channel)),
            Text(state.value, style=_style(state)),
            rate(happened.published, store.window),
            rate(happened.retried, store.window),
            Text(rate(happened.dead_lettered, store.window), style=_WRONG if happened.dead_lettered else ""),
            figure(routes.due),
            "–" if routes.oldest_due is None else coarse(routes.oldest_due),
            figure(routes.in_flight),
        )
    return table


def _gates(store: StoreSnapshot) -> Iterator[Text]:
    said = [(gate, closed(gate, store.at)) for gate in store.gates.values()]
    lines = [_line(text, _style(gate.state)) for gate, text in said if text is not None]
    if lines:
        yield from (*lines, Text(""))


def _streams(streams: StreamsSnapshot) -> Iterator[Text]:
    waiting = "an unknown number" if streams.intents.lag is None else figure(streams.intents.lag)
    pending, consumers = figure(streams.intents.pending), _many(streams.intents.consumers, "consumer")
    yield _line(f"intents    {waiting} waiting, {pending} being accepted, {consumers}")
    missing = any(seen.silent > SILENT for seen in streams.processes) or "no " in roles(streams.processes)
    yield _line(f"processes  {roles(streams.processes)}", _MEANT if missing else "")
    # Those that fell silent first: they were killed, or cannot reach Redis.
    ordered = sorted(streams.processes, key=lambda seen: seen.silent <= SILENT)
    for seen in ordered[:_PROCESSES]:
        yield _line(f"  {_process(seen)}", _WRONG if seen.silent > SILENT else "")
    if len(ordered) > _PROCESSES:
        yield _line(f"  and {len(ordered) - _PROCESSES:,} more")


def _process(seen: ProcessSeen) -> str:
    process = seen.process
    named = f"{process.role:<7} {process.host} pid {process.pid}, version {process.version}"
    if seen.silent > SILENT:
        return f"{named}, silent for {coarse(seen.silent)}: killed, or cut off from Redis"
    return f"{named}, up {coarse(seen.seen_at + seen.silent - process.started_at)}, seen {coarse(seen.silent)} ago"


def _failures(store: StoreSnapshot) -> Iterator[Text]:
    if store.failures:
        yield Text("")
        yield _line("newest failures")
    for f in store.failures:
        ago = coarse(store.at - f.failed_at)
        yield _line(f"  {ago} ago  {f.route_id}  attempt {f.attempt_number}  {f.classification}: {f.message}")


def _line(text: str, style: str = "") -> Text:
    """One line of text that may come from anybody, cut to the terminal's width."""
    return Text(printable(text.replace("\n", " ")), style=style, overflow="ellipsis", no_wrap=True)


def _many(count: int, what: str) -> str:
    return f"no {what}" if count == 0 else f"{figure(count)} {what}{'s' if count != 1 else ''}"


def _style(state: GateState) -> str:
    return {GateState.OPEN: "", GateState.PAUSED: _MEANT, GateState.PARKED: _WRONG}[state]
