"""The loop of `publisher status --watch`."""

import sys
import time
from contextlib import closing
from datetime import timedelta

from rich.live import Live

from publisher.bootstrap import open_client, open_database
from publisher.cli.output import console, print_json
from publisher.cli.snapshot_view import render
from publisher.operations.snapshot import Watcher
from publisher.operations.snapshot_fields import frame_fields
from publisher.process.signals import interrupt_once
from publisher.settings.settings import Settings

# A look is a few milliseconds' work; where a backlog of millions makes it seconds, it is still waited for.
_STATEMENT = timedelta(seconds=15)
# A look may take this share of the time at most: watching an outage must not add to it.
_SHARE = 0.2


def watch(settings: Settings, interval: timedelta, *, json: bool) -> None:
    """Shows a frame each interval, or less often where a look takes long, until Ctrl-C or SIGTERM.

    On a terminal each takes the place of the last; elsewhere they follow each other. json: an object a line.
    """
    interrupt_once()
    try:
        with (
            closing(open_database(settings, "cli", _STATEMENT)) as database,
            open_client(settings, "cli") as client,
        ):
            watcher = Watcher(
                database,
                client,
                channels=settings.channels,
                stream=settings.intents_stream,
                group=settings.intents_group,
            )
            _loop(watcher, interval, json=json)
    except KeyboardInterrupt:
        # The way to end it.
        return


def _loop(watcher: Watcher, interval: timedelta, *, json: bool) -> None:
    out = console()
    with Live(console=out, auto_refresh=False) as live:
        while True:
            began = time.monotonic()
            frame = watcher.look()
            took = time.monotonic() - began
            if json:
                print_json(frame_fields(frame))
                sys.stdout.flush()
            elif out.is_terminal:
                live.update(render(frame, interval), refresh=True)
            else:
                out.print(render(frame, interval), "")
                sys.stdout.flush()
            time.sleep(max(interval.total_seconds() - took, took / _SHARE - took))
