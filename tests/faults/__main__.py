"""`python -m tests.faults`: minutes of chaos over the real processes, and a table of what came of it."""

import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated

import redis
import typer
from rich.console import Console
from rich.table import Table

from publisher.local.embedded import embedded_servers
from storage.database import Database
from storage.schema.schema import migrate
from tests.faults import results_file as results
from tests.faults.chaos import long, run
from tests.faults.detection import Detection, detect_all
from tests.faults.fault_schedule import plan
from tests.faults.planted_bugs import BUGS
from tests.faults.recovery import Recovery
from tests.faults.run_report import Row, shortfalls, table
from tests.faults.run_result import RunResult
from tests.faults.shutdown import hang, overruns, stop_under_load
from tests.faults.workload import open_workload
from tests.processes import Processes


def main(
    seed: Annotated[int | None, typer.Option(help="The schedule's and the producer's seed. Drawn if left out.")] = None,
    minutes: Annotated[float, typer.Option(min=3, max=60, help="How long the chaos may take.")] = 8,
    schedule: Annotated[bool, typer.Option(help="Print the schedule of this seed, and do nothing.")] = False,
    chaos: Annotated[bool, typer.Option(help="Without it: only how processes end, and the planted bugs.")] = True,
    write: Annotated[bool, typer.Option(help=f"Write what was measured to {results.RESULTS.name}.")] = False,
    keep: Annotated[Path | None, typer.Option(help="Keep every log and all data of the chaos in this folder.")] = None,
) -> None:
    """Break everything that can break, and prove that nothing was lost and nothing came twice (R15)."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    size = long(minutes)
    if schedule:
        typer.echo("\n".join([f"seed {seed}", *map(str, plan(seed, size.seconds, size.faults))]))
        return
    screen = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(line: str) -> None:
        screen.print(line, markup=False)

    problems = _shutdowns_and_bugs(write, say)
    if chaos:
        problems += _chaos(_run(seed, minutes, keep, say), minutes, write)
    for problem in problems[:50]:
        say(f"PROBLEM: {problem}")
    say(f"{len(problems)} problems, seed {seed}")
    raise typer.Exit(1 if problems else 0)


def _shutdowns_and_bugs(write: bool, say: Callable[[str], None]) -> list[str]:
    """How processes end, and which detector sees which planted bug. Returns the problems."""
    say("an encoder that loops for ever takes a minute")
    with _servers() as (environ, folder):
        processes = Processes({**environ, "PUBLISHER_LOG_FORMAT": "json"}, folder)
        with ExitStack() as stack:
            stack.callback(processes.kill_all)
            shutdowns = [hang(environ, processes, folder), *stop_under_load(environ, processes)]
    with (
        _servers() as (environ, _),
        closing(redis.Redis.from_url(environ["REDIS_URL"])) as client,
        open_workload(environ, client) as workload,
    ):
        seen = detect_all(workload, BUGS)
    _show(["what", "measured", "wanted"], _shutdown_rows(shutdowns))
    _show(["bug", "seen by", "which said"], seen)
    if write:
        told = results.measured_by(["--no-chaos"])
        head = ["what", "measured", "wanted"]
        results.write(results.SHUTDOWNS, [told, "", *results.table(head, _shutdown_rows(shutdowns))])
        results.write(results.BUGS, [told, "", *results.table(["bug", "seen by", "which said"], seen)])
    return [*overruns(shutdowns), *(f"not seen: {detection.bug}" for detection in seen if not detection.said)]


def _chaos(result: RunResult, minutes: float, write: bool) -> list[str]:
    """Shows what came of the chaos. Returns the problems."""
    rows, problems = table(result), [*result.problems, *shortfalls(result)]
    _show(["", "what", "measured", "wanted"], rows)
    if write:
        arguments = ["--seed", str(result.seed), "--minutes", f"{minutes:g}"]
        results.write(
            results.CHAOS,
            [
                results.measured_by(arguments, f", seed {result.seed}, in {result.seconds:.0f} s"),
                "Fsync and append-only file on, lease TTL 3 s, scan interval 0.5 s. With lanes, cancellations, holds,",
                "200 commands a second on the email channel, and mailers that send to an SMTP server which fails.",
                "",
                *results.table(Row._fields, rows),
                "",
                f"Problems: {len(problems)}." if problems else "Nothing lost, nothing twice, no attempt unexplained.",
            ],
        )
    return problems


def _shutdown_rows(shutdowns: list[Recovery]) -> list[tuple[str, str, str]]:
    return [(r.what, f"{r.longest:.1f} s", f"{r.bound:g} s") for r in shutdowns]


def _show(head: list[str], rows: list[Row] | list[Detection] | list[tuple[str, str, str]]) -> None:
    shown = Table(*head)
    for row in rows:
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 140, markup=False).print(shown)


@contextmanager
def _servers() -> Iterator[tuple[dict[str, str], Path]]:
    """Servers of its own with an empty schema, and a folder."""
    with (
        tempfile.TemporaryDirectory(prefix="publisher-faults-") as name,
        embedded_servers(Path(name)) as servers,
        closing(Database(servers.database_url, application_name="faults", statement_timeout=None)) as database,
    ):
        migrate(database)
        yield dict(servers.environ), Path(name)


def _run(seed: int, minutes: float, keep: Path | None, say: Callable[[str], None]) -> RunResult:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        return run(seed, long(minutes), keep.resolve(), say)
    with tempfile.TemporaryDirectory(prefix="publisher-faults-") as folder:
        return run(seed, long(minutes), Path(folder), say)


if __name__ == "__main__":
    typer.run(main)
