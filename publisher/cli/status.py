"""`publisher status`."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import typer

from publisher.bootstrap import configure_logs, load_settings, open_client, open_patient_database
from publisher.cli.frame import SILENT, roles
from publisher.cli.output import JsonFlag, print_json, print_record, print_table
from publisher.cli.status_fields import (
    audit_fields,
    gate_fields,
    group_fields,
    open_fields,
    process_fields,
    replay_fields,
)
from publisher.cli.watch import watch as watch_frames
from publisher.cli.wording import closed, coarse, counted, replayed
from publisher.domain.diagnosis.loss_audit import AuditState
from publisher.domain.errors import BadRequest
from publisher.domain.gate import Gate
from publisher.domain.notification import RouteStatus
from publisher.domain.replay import ReplayRecord
from publisher.loss_audit import audit_interval
from publisher.settings import Settings
from publisher.streams.inbound import GroupState, group_state
from publisher.streams.processes import ProcessRegister, ProcessSeen
from publisher.streams.queues import QueueState, queue_states
from storage import overview
from storage.audit_states import audit_states
from storage.counts import Count, OpenRoutes, final_routes, open_routes
from storage.database import Database
from storage.gates import read_gates
from storage.losses import list_losses
from storage.rates import mark
from storage.replays import latest_replays

_INTERVAL = 2.0
# More of them are no other matter.
_LOSSES = 1000


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Mappings are by channel, or by channel and status."""

    at: datetime
    counts: Mapping[tuple[str, RouteStatus], Count]
    open: Mapping[str, OpenRoutes]
    gates: Mapping[str, Gate]
    audits: Mapping[str, AuditState]
    audit_interval: timedelta
    malformed: int
    replay: ReplayRecord | None
    losses: int
    intents: GroupState
    queues: Mapping[str, QueueState]
    processes: list[ProcessSeen]

    def count(self, channel: str, status: RouteStatus) -> Count:
        return self.counts.get((channel, status), Count())

    def gate(self, channel: str) -> Gate:
        return self.gates.get(channel, Gate(channel))

    def audit(self, channel: str) -> AuditState:
        return self.audits.get(channel, AuditState(channel))

    def of(self, channel: str) -> dict[str, object]:
        """Everything about one channel, by the names that --json prints."""
        queue = self.queues.get(channel, QueueState())
        return {
            **{status.value: self.count(channel, status).value for status in RouteStatus},
            **open_fields(self.open.get(channel, OpenRoutes())),
            "estimated": [status.value for status in RouteStatus if self.count(channel, status).estimated],
            **gate_fields(self.gate(channel)),
            **audit_fields(self.audit(channel)),
            "audit_overdue": self.audit(channel).is_overdue(self.audit_interval) if self.audit_interval else None,
            "queued": queue.ready,
            "delayed": queue.delayed,
            "dead_messages": queue.dead,
        }


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
    """
    if watch and exact:
        raise BadRequest("--exact counts every route: that is nothing to do again and again with --watch")
    if interval is not None and not watch:
        raise BadRequest("--interval is the time between two looks: it needs --watch")
    settings = load_settings()
    configure_logs(settings)
    if watch:
        watch_frames(settings, timedelta(seconds=_INTERVAL if interval is None else interval), json=json)
        return
    snapshot = _take(settings, exact=exact)
    served = {*settings.channels, *(channel for channel, _ in snapshot.counts), *snapshot.open, *snapshot.gates}
    channels = sorted(served)
    if json:
        print_json(
            {
                "channels": {channel: snapshot.of(channel) for channel in channels},
                "intents": {
                    **group_fields(snapshot.intents),
                    "malformed": snapshot.malformed,
                    "replay": replay_fields(snapshot.replay),
                    "losses": snapshot.losses,
                },
                "processes": [process_fields(seen) for seen in snapshot.processes],
            }
        )
        return
    _print_routes(snapshot, channels)
    print_table(
        "Queues (hints alone)",
        ["queue", "ready", "delayed", "dead messages"],
        [[name, q.ready, q.delayed, q.dead] for name, q in snapshot.queues.items()],
    )
    _print_processes(snapshot.processes)
    print()
    print_record(
        {
            "intents waiting": snapshot.intents.lag,
            "intents pending": snapshot.intents.pending,
            "intake consumers": snapshot.intents.consumers,
            "malformed intents": snapshot.malformed,
            "last replay": replayed(snapshot.replay),
            "losses of intents": snapshot.losses,
        }
    )


def _print_routes(snapshot: _Snapshot, channels: list[str]) -> None:
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


def _audit(snapshot: _Snapshot, channel: str) -> str:
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


def _take(settings: Settings, *, exact: bool) -> _Snapshot:
    with closing(open_patient_database(settings, "cli")) as database, open_client(settings, "cli") as client:
        opened = open_routes(database)
        return _Snapshot(
            mark(database).at,
            _counts(database, opened, exact=exact),
            opened,
            read_gates(database),
            audit_states(database, settings.channels),
            audit_interval(settings.effective_audit_window),
            overview.count_malformed(database),
            next(iter(latest_replays(database, settings.intents_stream)), None),
            len(list_losses(database, acknowledged=False, limit=_LOSSES)),
            group_state(client, settings.intents_stream, settings.intents_group),
            queue_states(client, list(settings.channels)),
            ProcessRegister(client).seen(),
        )


def _counts(
    database: Database, opened: Mapping[str, OpenRoutes], *, exact: bool
) -> Mapping[tuple[str, RouteStatus], Count]:
    if exact:
        return {key: Count(count) for key, count in overview.count_routes(database).items()}
    found = final_routes(database)
    for channel, routes in opened.items():
        found[channel, RouteStatus.PENDING] = Count(routes.pending)
        found[channel, RouteStatus.FAILED] = Count(routes.failed)
    return found
