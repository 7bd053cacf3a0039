"""The page Now: what happens at this moment, from the newest snapshot. It asks no server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.circuit import Gate
from publisher.domain.errors import PublisherError
from publisher.operations.channels.limits_wording import limit_line
from publisher.operations.channels.readers_wording import reader_lines
from publisher.operations.snapshot.failure_groups import group_failures
from publisher.operations.snapshot.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.operations.snapshot.wording import events_line, intents_line, roles
from publisher.operations.verdict.judge import judge
from publisher.operations.verdict.verdict import Cause, Finding
from publisher.operations.verdict.wording import remedy, said
from publisher.web.history import ChannelFigures, Point
from publisher.web.pages.page import context_of, rendered
from storage.counts.counts import OpenRoutes

# A page stays readable, and its answer small, however many there are.
_FAILURES = 20
_PROCESSES = 50
_READERS = 10
# The page on which something can be done about it, and what it is called.
_PLACES: Mapping[Cause, tuple[str, str]] = {
    **dict.fromkeys(
        (Cause.PAUSED, Cause.CIRCUIT_OPEN, Cause.HELD_BACK, Cause.LIMITED, Cause.NOT_READ, Cause.READER_GONE),
        ("/channels", "Channels"),
    ),
    **dict.fromkeys((Cause.HOLDS, Cause.HELD_MAIL), ("/waiting/holds", "Holds")),
    Cause.DEAD_LETTERS: ("/waiting/dead-letters", "Dead letters"),
    Cause.MALFORMED: ("/waiting/malformed", "Malformed intents"),
    Cause.UNANSWERED: ("/waiting/unanswered?channel={channel}", "Unanswered"),
    Cause.ANSWERED_FAILED: ("/waiting/unanswered?answer=failed&channel={channel}", "Answered failed"),
}


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """What the page shows of a channel.

    published: a second, over the last ten minutes; None: not known then.
    readers: a line for each group of its stream, and whether something is wrong with it.
    """

    name: str
    gate: Gate
    figures: ChannelFigures
    open: OpenRoutes
    published: Sequence[tuple[datetime, float | None]]
    limit: str
    readers: Sequence[tuple[str, bool]]


async def now(request: Request) -> Response:
    """Shows the newest snapshot, and how old it is."""
    history = context_of(request).history
    newest = history.newest()
    if newest is None:
        return rendered(request, "now.html", "Now", {"snapshot": None})
    snapshot, age = newest
    values = {
        "snapshot": snapshot,
        "age": age,
        "verdict": judge(snapshot),
        "said": said,
        "remedy": remedy,
        "place": _place,
    }
    return rendered(request, "now.html", "Now", values | _store(snapshot, history.points()) | _streams(snapshot))


def _place(finding: Finding) -> tuple[str, str] | None:
    """Returns the path of the page on which something can be done about it, and its name; None: there is none."""
    if finding.cause not in _PLACES:
        return None
    path, name = _PLACES[finding.cause]
    return path.format(channel=quote(finding.channel or "", safe="")), name


def _store(snapshot: Snapshot, points: Sequence[Point]) -> dict[str, Any]:
    store = snapshot.store
    if isinstance(store, PublisherError):
        return {"store": None}
    streams = None if isinstance(snapshot.streams, PublisherError) else snapshot.streams
    rows = [_row(store, streams, points, name) for name in store.channels]
    return {"store": store, "channels": rows, "failures": group_failures(store.failures)[:_FAILURES]}


def _row(store: StoreSnapshot, streams: StreamsSnapshot | None, points: Sequence[Point], name: str) -> ChannelRow:
    found = [(point.at, point.of(name)) for point in points]
    readers = None if streams is None else streams.readers.get(name)
    return ChannelRow(
        name,
        store.gate(name),
        found[-1][1] or ChannelFigures(),
        store.open(name),
        [(at, None if figures is None else figures.published) for at, figures in found],
        limit_line(store.limits[name]) if name in store.limits else "",
        _some(list(reader_lines(readers))) if readers is not None else [],
    )


def _some(lines: Sequence[tuple[str, bool]]) -> Sequence[tuple[str, bool]]:
    """Returns the first of the lines, and how many more there are."""
    left = len(lines) - _READERS
    return lines if left <= 0 else [*lines[:_READERS], (f"and {left:,} more: publisher channels list", False)]


def _streams(snapshot: Snapshot) -> dict[str, Any]:
    streams = snapshot.streams
    if isinstance(streams, PublisherError):
        return {"streams": None}
    # Those that fell silent first: they were killed, or cannot reach Redis.
    processes = sorted(streams.processes, key=lambda seen: not seen.is_silent)
    return {
        "streams": streams,
        "intents": f"Intents: {intents_line(streams.intents)}",
        "events": (line := events_line(streams.events)) and f"Delivery events: {line}",
        "roles": roles(streams.processes),
        "processes": processes[:_PROCESSES],
        "has_trouble": any(seen.process.trouble for seen in processes),
        "more_processes": max(0, len(processes) - _PROCESSES),
    }
