"""`publisher demo`."""

import os
import random
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from publisher.cli.layout import Hanging
from publisher.cli.output import JsonFlag, YesFlag, confirm, print_json, print_layout, print_record, print_table
from publisher.cli.up_screen import Screen
from publisher.domain.errors import PublisherError
from publisher.domain.notification import RouteStatus
from publisher.local.children import Child, kill_children
from publisher.process.signals import StopSignals
from publisher.process.temporary import temporary_folder

_PATIENCE = 60.0
_BATCH = 500


@dataclass(frozen=True, slots=True)
class _Result:
    summary: dict[str, object]
    routes: Counter[tuple[str, RouteStatus]]
    on_purpose: str
    commands: Mapping[str, Mapping[str, str]]
    problems: list[str]


def demo(
    intents: Annotated[
        int, typer.Option("--intents", metavar="NUMBER", min=1, max=1_000_000, help="How many intents to send.")
    ] = 2000,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Watch intents become commands: start every process, send sample intents, check what comes out.

    On an embedded PostgreSQL and Valkey, unless DATABASE_URL and REDIS_URL are both set. Among the intents are
    bad addresses, repetitions, conflicts and broken ones. Exit code 0 only if every route was published exactly
    once, or ended as it had to.
    """
    from publisher.local.demo import ENVIRON
    from publisher.local.embedded import are_given, embedded_servers
    from publisher.settings.types import without_blanks

    environ = {**ENVIRON, **without_blanks(os.environ)}
    given = are_given(environ)
    if given:
        confirm("DATABASE_URL and REDIS_URL are set: send sample intents through these servers?", yes)
    stop = StopSignals(kill_children)
    say = Console(stderr=True, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="publisher-demo-", dir=temporary_folder()))
    keep = True
    try:
        say.print("starting PostgreSQL, Valkey and the processes of the Procfile", style="dim")
        with nullcontext() if given else embedded_servers(folder, stop.check) as servers:
            result = _run(intents, {**environ, **(servers.environ if servers else {})}, folder, say, stop)
        stop.check()
        _show(result, json)
        keep = bool(result.problems)
    except (KeyboardInterrupt, PublisherError) as error:
        # A server that is being ended refuses what was asked of it: that is no error of the demo.
        if stop.requested:
            keep = False
            raise typer.Abort from error
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        stop.ignore()
    if result.problems:
        raise PublisherError(f"{len(result.problems)} problems, see above; the processes' logs are in {folder}")


def _run(count: int, environ: Mapping[str, str], folder: Path, say: Console, stop: StopSignals) -> _Result:
    """Runs the processes, whose lines go to a file in the folder, and the sample through them."""
    from publisher.environment import load_settings
    from publisher.local.procfile import processes, run_release

    load_settings(environ)
    run_release(environ, lambda _, line: say.print(Text(line.decode(errors="replace").rstrip(), "dim")), stop.check)
    with (folder / "processes.log").open("wb") as log, processes(environ, Screen(log.fileno()).relay) as running:
        return _send(count, environ, running, say, stop)


def _send(
    count: int, environ: Mapping[str, str], running: Mapping[str, Child], say: Console, stop: StopSignals
) -> _Result:
    from publisher.connections import open_client, open_patient_database
    from publisher.environment import load_settings
    from publisher.local.demo import CHANNELS, Observer, make_sample, problems
    from publisher.local.procfile import first_ended
    from publisher.streams.producer import add_intents
    from storage import overview

    settings = load_settings(environ)
    run = secrets.token_hex(4)
    with stop.interrupting():
        now = time.time_ns() // 1_000_000
        sample = make_sample(count, run, now, settings.channels, random.Random(run))  # noqa: S311 - a sample, no secret
    columns = TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with (
        closing(open_patient_database(settings, "demo")) as database,
        open_client(settings, "demo", timedelta(seconds=10)) as client,
        Progress(*columns, console=say) as progress,
    ):
        observer = Observer(client, database, [settings.channels[name].stream for name in CHANNELS])
        observer.start()
        bars = {
            "sent": progress.add_task("sent", total=len(sample.entries)),
            "published": progress.add_task("published", total=sample.published),
            "ended": progress.add_task("ended", total=len(sample.expected)),
        }
        began = time.monotonic()
        entry_ids: list[str] = []
        for start in range(0, len(sample.entries), _BATCH):
            stop.check()
            entry_ids += add_intents(client, settings.intents_stream, sample.entries[start : start + _BATCH])
            progress.update(bars["sent"], completed=len(entry_ids))
            observer.read(timedelta(milliseconds=1))
        rejects = [entry_ids[n] for n in (*sample.malformed, *sample.conflicts)]
        final = rejected = 0
        published_at = moved_at = time.monotonic()
        while final < len(sample.expected) or rejected < len(rejects):
            stop.check()
            before = final, observer.seen.total()
            observer.read(timedelta(milliseconds=50))
            final = observer.final(sample)
            rejected = overview.count_malformed_among(database, settings.intents_stream, rejects)
            progress.update(bars["published"], completed=observer.seen.total())
            progress.update(bars["ended"], completed=final)
            if before[1] < observer.seen.total():
                published_at = time.monotonic()
            if before < (final, observer.seen.total()):
                moved_at = time.monotonic()
            if time.monotonic() - moved_at > _PATIENCE or first_ended(running):
                break
        observer.read(timedelta(milliseconds=200))
        ends = observer.ends(sample)
        with stop.interrupting():
            found = problems(sample, ends, observer.seen, rejected)
        if ended := first_ended(running):
            found.insert(0, f"{ended} ended by itself with exit code {running[ended].returncode}")
    elapsed = published_at - began
    commands = sum(observer.seen[end.delivery_id] for end in ends)
    return _Result(
        {
            "intents": count,
            "duplicates": sample.duplicates,
            "conflicts": len(sample.conflicts),
            "malformed": len(sample.malformed),
            "routes": len(sample.expected),
            "retries": sum(max(0, e.attempt_count - (e.status is RouteStatus.DEAD_LETTER)) for e in ends),
            "elapsed_seconds": round(elapsed, 3),
            "routes_per_second": round(commands / elapsed) if elapsed > 0 else 0,
        },
        Counter((end.channel, end.status) for end in ends),
        sample.on_purpose,
        observer.sample_commands,
        found,
    )


def _show(result: _Result, json: bool) -> None:
    if json:
        routes = [
            {"channel": channel, "status": status, "routes": count}
            for (channel, status), count in sorted(result.routes.items())
        ]
        print_json({**result.summary, "by_status": routes, "problems": result.problems, "commands": result.commands})
        return
    print_layout(Hanging(Text(result.on_purpose)))
    print()
    print_table("Routes", ["channel", "status", "routes"], [[c, s, n] for (c, s), n in sorted(result.routes.items())])
    print()
    print_record(result.summary)
    for stream, command in result.commands.items():
        print()
        print(f"a command on {stream}")
        print_record(command)
    print()
    for problem in result.problems[:20]:
        print(problem)
    if not result.problems:
        print("every route was published exactly once or ended as it had to")
