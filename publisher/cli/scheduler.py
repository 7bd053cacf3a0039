"""`publisher scheduler run` and `publisher scheduler scan`."""

import sys
import time
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import SpinnerColumn, TextColumn

from publisher.bootstrap import install_context
from publisher.cli.output import JsonFlag, one_line, print_json, print_table, progress
from publisher.cli.session import configured
from publisher.domain.circuit import GateState
from publisher.domain.errors import PublisherError
from publisher.operations.channels import ChannelRecord, list_channels
from publisher.operations.names import installed_channel
from publisher.process.logs import redirect_standard_streams
from publisher.process.metrics_server import serve_metrics
from publisher.process.signals import stop_on_signals

if TYPE_CHECKING:
    import redis

    from publisher.streams.scan_runs import RunState

app = typer.Typer(help="The clock: scans at intervals, or one now.", no_args_is_help=True)


@app.command("run")
def run() -> None:
    """Send a scan of every channel each interval, and the maintenance jobs, until SIGTERM or Ctrl-C.

    Any number of these may run at once, and none may: workers that see no scan look by themselves.
    """
    settings = configured()
    redirect_standard_streams()
    context = install_context(settings, "scheduler")
    stop_on_signals(context.stopping)
    serve_metrics(settings.metrics_port, context.telemetry.registry)

    from publisher.process.heartbeat import heartbeats
    from publisher.scheduler import run_scheduler

    with heartbeats(context.redis, "clock"):
        run_scheduler(context, context.stopping)


@app.command("scan", epilog="Example: publisher scheduler scan email --wait")
def scan(
    channel: Annotated[str | None, typer.Argument(help="The channel to scan; every one if left out.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the workers, and say what they did.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="With --wait: seconds to wait at most.")] = 60,
    json: JsonFlag = False,
) -> None:
    """Enqueue a scan now: every due route is published at once, in batches.

    The workers do it. Without --wait this command is done as soon as they were told. With it, what one worker gives
    back because it stops is waited for until another has done it.
    """
    settings = configured()
    if channel is not None:
        installed_channel(settings, channel)
    context = install_context(settings, "scan")

    from actors.routes import send_scan
    from publisher.streams import scan_runs

    runs = {name: uuid.uuid4().hex for name in ([channel] if channel else settings.channels)}
    for name, run_id in runs.items():
        send_scan(name, run_id if wait else None)
    if not wait:
        if json:
            print_json({"enqueued": list(runs)})
        else:
            print(f"enqueued a scan of {', '.join(runs)}")
        return
    _wait_for(context.redis, list(runs.values()), timeout)
    states = {name: scan_runs.state(context.redis, run_id) for name, run_id in runs.items()}
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


def _wait_for(client: "redis.Redis", run_ids: list[str], timeout: float) -> None:
    from publisher.streams import scan_runs

    deadline = time.monotonic() + timeout
    columns = SpinnerColumn(), TextColumn("{task.description}")
    with progress(*columns) as bar:
        task = bar.add_task("waiting for the workers", total=None)
        while _open(states := [scan_runs.state(client, run_id) for run_id in run_ids]):
            if time.monotonic() > deadline:
                raise PublisherError(
                    f"the scan was not done within {timeout:g} s: are workers running (dramatiq publisher.actors)?"
                    f" Published so far: {sum(s.published for s in states):,}"
                )
            bar.update(task, description=f"published {sum(s.published for s in states):,}")
            time.sleep(0.05)


def _warn_of_closed(channels: Iterable[ChannelRecord]) -> None:
    """Says which of these channels are paused or parked: a scan publishes nothing on them."""
    for channel in channels:
        gate = channel.gate
        if gate.state is not GateState.OPEN:
            reason = gate.pause_reason if gate.state is GateState.PAUSED else gate.park_reason
            print(f"publisher: {channel.name} is {gate.state.value}: {one_line(reason or '')}", file=sys.stderr)


def _open(states: "list[RunState]") -> bool:
    return any(state.open > 0 for state in states)
