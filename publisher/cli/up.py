"""`publisher up`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from publisher.domain.errors import PublisherError
from publisher.process.signals import ignore_signals, interrupt_once


def up(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="FOLDER", help="Where the embedded servers keep their data.", file_okay=False),
    ] = Path(".publisher"),
) -> None:
    """Run every Procfile process on this machine until Ctrl-C.

    On an embedded PostgreSQL and Valkey, unless DATABASE_URL and REDIS_URL are both set. Their data stays in a
    local folder: the next start goes on where this one ended.
    """
    from publisher.environment import load_settings
    from publisher.local.embedded import given_or_embedded
    from publisher.local.procfile import run_processes, run_release

    interrupt_once()
    with given_or_embedded(os.environ, data) as environ:
        settings = load_settings(environ)
        # Given URLs hold passwords; those of the embedded servers hold none, and are there to be pasted.
        given = os.environ.get("DATABASE_URL", "").strip() != ""
        database, redis = settings.database_url, settings.redis_url
        if given:
            print("DATABASE_URL and REDIS_URL are set: their servers are used, and none is started", flush=True)
        print(f"DATABASE_URL={database.shown if given else database.text}", flush=True)
        print(f"REDIS_URL={redis.shown if given else redis.text}", flush=True)
        run_release(environ)
        code = run_processes(environ, sys.stdout)
        ignore_signals()
    if code:
        raise PublisherError(f"a process ended by itself with exit code {code}: its last lines are above")
