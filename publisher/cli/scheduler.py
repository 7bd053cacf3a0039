"""`publisher scheduler run` and `publisher scheduler scan`."""

import sys
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

import typer
from rich.progress import SpinnerColumn, TextColumn

from publisher.bootstrap import collect_garbage_seldom, install_context
from publisher.cli.completion import candidates
from publisher.cli.session import configured
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.output import JsonFlag, one_line, print_json, print_table
from publisher.cli.terminal.progress import progress
from publisher.connections import check_redis_url
from publisher.domain.circuit import GateState
from publisher.operations.channels.channels import ChannelRecord, list_channels
from publisher.operations.channels.limits import channel_limits
from publisher.operations.channels.limits_wording import said
from publisher.operations.names import installed_channel
from publisher.operations.scan import wait_for_scans
from publisher.process.logs import redirect_standard_streams
from publisher.process.metrics_server import serve_metrics
from publisher.process.signals import stop_on_signals

# Counting millions of open routes takes seconds, a quarter of one for each million. That is no silent server.
_SNAPSHOT_STATEMENT = timedelta(seconds=15)

app = CommandApp(
    "Run the scheduler, which sends a scan at intervals; or send one scan now.",
    example="publisher scheduler run\npublisher scheduler scan email --wait",
)


@app.command("run", example="publisher scheduler run")
def run() -> None:
    """Send a scan of every channel each interval, and the maintenance jobs, until SIGTERM or Ctrl-C.

    Any number of these may run at once. Without any, workers that get no scan begin one by themselves.
    """
    settings = configured(by_hand=False)
    redirect_standard_streams()
    # The clock asks PostgreSQL for nothing but snapshots.
    context = install_context(settings, "scheduler", _SNAPSHOT_STATEMENT)
    stop_on_signals(context.stopping)
    metrics_port = serve_metrics(settings.metrics_port, context.telemetry.registry)

    from publisher.observability.exporter import GaugeExporter
    from publisher.operations.snapshot.taking import Snapshots
    from publisher.process.heartbeat import heartbeats
    from publisher.scheduler import run_scheduler

    if metrics_port:
        snapshots = Snapshots(context.database, context.servers, settings)
        GaugeExporter(context.database, snapshots, context.telemetry.registry).start(context.stopping)
    collect_garbage_seldom()
    with heartbeats(context.redis, "clock", metrics_port=metrics_port):
        run_scheduler(context, context.stopping)


@app.command("scan", example="publisher scheduler scan email --wait")
def scan(
    channel: Annotated[
        str | None,
        typer.Argument(
            metavar="CHANNEL",
            help="The channel to scan. Without it, every channel.",
            autocompletion=candidates.channels,
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the workers, and say what they did.")] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="With --wait: wait at most so long.")] = 60,
    json: JsonFlag = False,
) -> None:
    """Enqueue a scan now: every due route is published at once, in batches.

    The workers do it. Without --wait this command is done as soon as they were told. With it, what one worker gives
    back because it stops is waited for until another has done it. What waits for a rate limit is not waited for.
    """
    settings = configured()
    if channel is not None:
        installed_channel(settings, channel)
    check_redis_url(settings, "scan")
    context = install_context(settings, "scan")

    from actors.routes import send_scan

    runs = {name: uuid.uuid4().hex for name in ([channel] if channel else settings.channels)}
    for name, run_id in runs.items():
        send_scan(name, run_id if wait else None)
    if not wait:
        if json:
            print_json({"enqueued": list(runs)})
        else:
            print(f"enqueued a scan of {', '.join(runs)}")
        return
    columns = SpinnerColumn(), TextColumn("{task.description}")
    with progress(*columns) as bar:
        task = bar.add_task("waiting for the workers", total=None)
        states = wait_for_scans(
            context.redis,
            runs,
            timeout,
            lambda published: bar.update(task, description=f"published {published:,}"),
        )
    if json:
        for name, state in states.items():
            print_json(
                {
                    "channel": name,
                    "published": state.published,
                    "rescheduled": state.rescheduled,
                    "dead_lettered": state.dead_lettered,
                }
            )
    else:
        print_table(
            "Scanned",
            ["channel", "published", "rescheduled", "dead-lettered"],
            [[name, s.published, s.rescheduled, s.dead_lettered] for name, s in states.items()],
        )
    _warn_of_closed(record for record in list_channels(context.database, settings.channels) if record.name in runs)
    for name, limit in channel_limits(context.database, settings.channels).items():
        if name in runs and limit.limit is not None:
            print(f"publisher: {said(limit)}: further routes follow within that limit", file=sys.stderr)


def _warn_of_closed(channels: Iterable[ChannelRecord]) -> None:
    """Says which of these channels are paused or parked: a scan publishes nothing on them."""
    for channel in channels:
        gate = channel.gate
        if gate.state is not GateState.OPEN:
            reason = gate.pause_reason if gate.state is GateState.PAUSED else gate.park_reason
            print(f"publisher: {channel.name} is {gate.state.value}: {one_line(reason or '')}", file=sys.stderr)
