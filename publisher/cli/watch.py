"""The loop of `publisher status --watch`."""

import sys
import time
from contextlib import closing
from datetime import timedelta

from rich.live import Live
from rich.text import Text

from publisher.cli.session import streams
from publisher.cli.terminal.output import console, print_json, print_layout
from publisher.cli.views.snapshot import render
from publisher.connections import open_database
from publisher.operations.snapshot.fields import activity_fields
from publisher.operations.snapshot.taking import Snapshots
from publisher.operations.verdict.judge import judge
from publisher.operations.verdict.wording import verdict_fields
from publisher.process.signals import interrupt_once
from publisher.settings.settings import Settings

# A snapshot takes a few milliseconds. A backlog of millions of routes makes it seconds, and it is still waited for.
_STATEMENT = timedelta(seconds=15)
# The largest share of the time that is spent on snapshots: watching an outage must not add to it.
_SHARE = 0.2


def watch(settings: Settings, interval: timedelta, *, json: bool) -> None:
    """Shows a snapshot each interval, or less often where taking one is slow, until Ctrl-C or SIGTERM.

    On a terminal each replaces the last; elsewhere they follow each other. json: one object a line.
    """
    interrupt_once()
    try:
        with (
            closing(open_database(settings, "cli", _STATEMENT)) as database,
            streams(settings) as servers,
        ):
            _loop(Snapshots(database, servers, settings), interval, json=json)
    except KeyboardInterrupt:
        # The way to end it.
        return


def _loop(snapshots: Snapshots, interval: timedelta, *, json: bool) -> None:
    out = console()
    with Live(console=out, auto_refresh=False) as live:
        while True:
            began = time.monotonic()
            snapshot = snapshots.take()
            took = time.monotonic() - began
            if json:
                print_json(activity_fields(snapshot) | {"verdict": verdict_fields(judge(snapshot))})
                sys.stdout.flush()
            elif out.is_terminal:
                live.update(render(snapshot, interval, out.width), refresh=True)
            else:
                print_layout(render(snapshot, interval, out.width), Text())
                sys.stdout.flush()
            time.sleep(max(interval.total_seconds() - took, took / _SHARE - took))
