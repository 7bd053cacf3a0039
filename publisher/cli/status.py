"""`publisher status`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from publisher.cli.session import configured, reading, streams
from publisher.cli.terminal.output import JsonFlag, print_json, print_layout, print_record, print_table
from publisher.cli.terminal.wording import counted, deferred, replayed
from publisher.cli.views.answers import print_answers
from publisher.cli.views.limits import print_limits
from publisher.cli.views.readers import print_readers
from publisher.cli.views.verdict import verdict_lines
from publisher.domain.errors import BadRequest, PublisherError
from publisher.domain.notification import RouteStatus
from publisher.operations.channels.readers_wording import unread_of
from publisher.operations.snapshot.fields import status_fields
from publisher.operations.snapshot.snapshot import Counting, Snapshot, StoreSnapshot, StreamsSnapshot, Totals
from publisher.operations.snapshot.taking import Snapshots
from publisher.operations.snapshot.wording import roles
from publisher.operations.verdict.judge import judge
from publisher.operations.verdict.wording import verdict_fields
from publisher.operations.wording import coarse
from publisher.streams.heartbeats import ProcessSeen

_INTERVAL = 2.0
_WAITING = "dead, waiting"


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
    interval: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0.2, max=60, help="With --watch: the time between two snapshots. Default: 2."
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Count every route. Reads the whole table: minutes, if it is large.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Show how many routes have each status and how many are due, who reads the commands, and which processes run.

    Discarded dead letters are not counted: 'publisher dead-letters list --all' shows them.

    More than 100,000 routes of one status are estimated, and shown with a ~. With --watch: what happens each second
    on each channel, what is due, and the newest failures.

    While PostgreSQL, or the Redis of queues or of intents, is away, its reason is the first line, what the other says
    is shown, and the exit code is 1. The Redis of a channel alone that is away is told, too, and changes no exit code.
    With --json what could not be read is null, and 'problems' says why, as does a line on standard error.
    """
    if watch and exact:
        raise BadRequest("--exact counts every route: that is nothing to do again and again with --watch")
    if interval is not None and not watch:
        raise BadRequest("--interval is the time between two snapshots: it needs --watch")
    if watch:
        # The live display is imported by those who watch: one look at the status is there sooner without it.
        from publisher.cli.watch import watch as watch_snapshots

        watch_snapshots(configured(), timedelta(seconds=_INTERVAL if interval is None else interval), json=json)
        return
    with reading() as (settings, database), streams(settings) as servers:
        snapshot = Snapshots(database, servers, settings).take(Counting.EXACT if exact else Counting.ESTIMATED)
    if json:
        print_json({"verdict": verdict_fields(judge(snapshot))} | status_fields(snapshot))
    else:
        _print(snapshot)
    if snapshot.problems and json:
        raise PublisherError("; ".join(snapshot.problems))
    if snapshot.problems:
        # The verdict has said why.
        raise typer.Exit(1)


def _print(snapshot: Snapshot) -> None:
    print_layout(*verdict_lines(judge(snapshot)))
    record: dict[str, object] = {}
    totals = None if isinstance(snapshot.store, PublisherError) else snapshot.store.totals
    if not isinstance(snapshot.store, PublisherError) and totals is not None:
        _print_routes(snapshot.store, totals, snapshot.audit_interval)
    if not isinstance(snapshot.streams, PublisherError):
        _print_streams(snapshot.streams)
        intents, events = snapshot.streams.intents, snapshot.streams.events
        record |= {
            "intents waiting": None if intents is None else unread_of(intents),
            "intents being accepted": intents and intents.pending,
            "intake consumers": intents and intents.consumer_count,
            "delivery events waiting": None if events is None else unread_of(events),
        }
    if totals is not None:
        record |= {
            "malformed intents": totals.malformed,
            "last replay": replayed(totals.replay),
            "losses of intents": totals.losses,
            "mail deferred": deferred(totals.deferred),
        }
    if record:
        print()
        print_record(record, wrapping=["last replay"])


def _print_streams(streams: StreamsSnapshot) -> None:
    print()
    print_readers(streams.readers.values())
    print()
    print_table(
        "Messages waiting in queues",
        ["queue", "ready", "delayed"],
        [[name, q.ready, q.delayed] for name, q in streams.queues.items()],
    )
    _print_processes(streams.processes)


def _print_routes(store: StoreSnapshot, totals: Totals, audit_interval: timedelta) -> None:
    print()
    # Discarded dead letters keep the status, and are not counted: nothing is left to do about them.
    statuses = [_WAITING if status is RouteStatus.DEAD_LETTER else status.value for status in RouteStatus]
    print_table(
        "Routes",
        ["channel", *statuses],
        [[channel, *(counted(totals.count(channel, status)) for status in RouteStatus)] for channel in store.channels],
        numeric=statuses,
    )
    rows = [(channel, store.open(channel)) for channel in store.channels]
    print()
    print_table(
        "Open routes",
        ["channel", "state", "due", "oldest due", "in flight", "last audit"],
        [
            [name, store.gate(name).state, r.due, r.oldest_due, r.in_flight, _audit(store, name, audit_interval)]
            for name, r in rows
        ],
    )
    print_limits(store.limits.values())
    print_answers(store, totals)


def _audit(store: StoreSnapshot, channel: str, interval: timedelta) -> str:
    """Words when the loss audit last looked at all of the channel's routes."""
    if not interval:
        return "off"
    state = store.audit(channel)
    last = "never" if state.age is None else f"{coarse(state.age)} ago"
    return f"{last}, overdue" if state.is_overdue(interval) else last


def _print_processes(processes: Sequence[ProcessSeen]) -> None:
    print()
    if not processes:
        print(f"Processes: {roles(processes)}")
        return
    print_table(
        f"Processes: {roles(processes)}",
        ["role", "host", "pid", "version", "up", "seen"],
        [
            [
                seen.process.role,
                seen.process.host,
                str(seen.process.pid),
                seen.process.version,
                coarse(seen.seen_at + seen.silent - seen.process.started_at),
                f"{coarse(seen.silent)} ago" + (", silent" if seen.is_silent else ""),
            ]
            for seen in processes
        ],
    )
