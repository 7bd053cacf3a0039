"""`publisher status`."""

from datetime import timedelta
from typing import Annotated

import typer

from publisher.cli.output import JsonFlag, print_json, print_record, print_table
from publisher.cli.session import configured
from publisher.cli.snapshot_view import SILENT, roles
from publisher.cli.status_snapshot import (
    Snapshot,
    StoreSnapshot,
    StreamsSnapshot,
    channel_fields,
    intents_fields,
    take_snapshot,
)
from publisher.cli.watch import watch as watch_frames
from publisher.cli.wording import closed, coarse, counted, replayed
from publisher.domain.errors import BadRequest, PublisherError
from publisher.domain.notification import RouteStatus
from publisher.operations.snapshot_fields import process_fields
from publisher.settings.settings import Settings
from publisher.streams.processes import ProcessSeen
from storage.counts import OpenRoutes

_INTERVAL = 2.0


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
    interval: Annotated[
        float | None, typer.Option(min=0.2, max=60, help="With --watch: seconds between two looks; 2 if left out.")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Count every route. Reads the whole table: minutes, if it is large.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Say how many routes stand where, what is due, what waits on the intents stream, and which processes run.

    More than 100,000 routes of one status are estimated, and shown with a ~. With --watch: what happens each second
    on each channel, what is due, and the newest failures.

    While one server is away, what the other says is shown, and the exit code is 1 with the reason on standard error.
    With --json what could not be read is null, and 'problems' says why.
    """
    if watch and exact:
        raise BadRequest("--exact counts every route: that is nothing to do again and again with --watch")
    if interval is not None and not watch:
        raise BadRequest("--interval is the time between two looks: it needs --watch")
    settings = configured()
    if watch:
        watch_frames(settings, timedelta(seconds=_INTERVAL if interval is None else interval), json=json)
        return
    snapshot = take_snapshot(settings, exact=exact)
    if json:
        print_json(_fields(settings, snapshot))
    else:
        _print(settings, snapshot)
    if snapshot.problems:
        raise PublisherError("; ".join(snapshot.problems))


def _fields(settings: Settings, snapshot: Snapshot) -> dict[str, object]:
    streams = snapshot.streams
    found: dict[str, object] = {
        "channels": {channel: channel_fields(snapshot, channel) for channel in _channels(settings, snapshot)},
        "intents": intents_fields(snapshot),
        "processes": None
        if isinstance(streams, PublisherError)
        else [process_fields(seen) for seen in streams.processes],
    }
    return found | {"problems": snapshot.problems} if snapshot.problems else found


def _print(settings: Settings, snapshot: Snapshot) -> None:
    record: dict[str, object] = {}
    if not isinstance(snapshot.store, PublisherError):
        _print_routes(snapshot.store, _channels(settings, snapshot))
    if not isinstance(snapshot.streams, PublisherError):
        _print_streams(snapshot.streams)
        intents = snapshot.streams.intents
        record |= {
            "intents waiting": intents.lag,
            "intents pending": intents.pending,
            "intake consumers": intents.consumers,
        }
    if not isinstance(snapshot.store, PublisherError):
        record |= {
            "malformed intents": snapshot.store.malformed,
            "last replay": replayed(snapshot.store.replay),
            "losses of intents": snapshot.store.losses,
        }
    if record:
        print()
        print_record(record)


def _channels(settings: Settings, snapshot: Snapshot) -> list[str]:
    known = set() if isinstance(snapshot.store, PublisherError) else snapshot.store.channels
    return sorted({*settings.channels, *known})


def _print_streams(streams: StreamsSnapshot) -> None:
    print_table(
        "Queues (hints alone)",
        ["queue", "ready", "delayed", "dead messages"],
        [[name, q.ready, q.delayed, q.dead] for name, q in streams.queues.items()],
    )
    _print_processes(streams.processes)


def _print_routes(snapshot: StoreSnapshot, channels: list[str]) -> None:
    columns = [[counted(snapshot.count(channel, status)) for channel in channels] for status in RouteStatus]
    print_table(
        "Routes",
        ["channel", *(status.value.removesuffix("_letter") for status in RouteStatus)],
        zip(channels, *map(_right, columns), strict=True),
    )
    rows = [(channel, snapshot.open.get(channel, OpenRoutes())) for channel in channels]
    print_table(
        "Open routes",
        ["channel", "state", "due", "oldest due", "in flight", "last audit"],
        [
            [name, snapshot.gate(name).state, r.due, r.oldest_due, r.in_flight, _audit(snapshot, name)]
            for name, r in rows
        ],
    )
    for channel in channels:
        said = closed(snapshot.gate(channel), snapshot.at)
        if said is not None:
            print(said)


def _audit(snapshot: StoreSnapshot, channel: str) -> str:
    """When the loss audit last looked at all of the channel's routes."""
    if not snapshot.audit_interval:
        return "off"
    state = snapshot.audit(channel)
    last = "never" if state.age is None else f"{coarse(state.age)} ago"
    return f"{last}, overdue" if state.is_overdue(snapshot.audit_interval) else last


def _print_processes(processes: list[ProcessSeen]) -> None:
    print_table(
        f"Processes: {roles(processes)}",
        ["role", "host", "pid", "version", "started", "seen"],
        [
            [
                seen.process.role,
                seen.process.host,
                str(seen.process.pid),
                seen.process.version,
                seen.process.started_at,
                f"{coarse(seen.silent)} ago" + (", silent" if seen.silent > SILENT else ""),
            ]
            for seen in processes
        ],
        folding="host",
    )


def _right(column: list[str]) -> list[str]:
    # A table puts numbers to the right, and an estimate is a text.
    width = max(map(len, column), default=0)
    return [text.rjust(width) for text in column]
