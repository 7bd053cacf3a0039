"""`python -m tests.faults`: minutes of chaos over the real processes, and a table of what came of it."""

import platform
import secrets
import shlex
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from tests.faults.chaos import Outcome, long, run
from tests.faults.figures import Row, shortfalls, table
from tests.faults.schedule import plan

RESULTS = Path(__file__).parent / "RESULTS.md"


def main(
    seed: Annotated[int | None, typer.Option(help="The schedule's and the producer's seed. Drawn if left out.")] = None,
    minutes: Annotated[float, typer.Option(min=3, max=60, help="How long the whole may take.")] = 8,
    schedule: Annotated[bool, typer.Option(help="Print the schedule of this seed, and do nothing.")] = False,
    write: Annotated[bool, typer.Option(help=f"Write the table to {RESULTS.name}.")] = False,
    keep: Annotated[Path | None, typer.Option(help="Keep every log and all data in this folder.")] = None,
) -> None:
    """Break everything that can break, and prove that nothing was lost and nothing came twice (R15)."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    size = long(minutes)
    if schedule:
        typer.echo("\n".join([f"seed {seed}", *map(str, plan(seed, size.seconds, size.faults))]))
        return
    say = Console(stderr=True, highlight=False, soft_wrap=True)
    outcome = _run(seed, minutes, keep, lambda line: say.print(line, markup=False))
    rows = table(outcome)
    problems = [*outcome.problems, *shortfalls(outcome)]
    shown = Table("", "what", "measured", "wanted")
    for row in rows:
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 140).print(shown)
    for problem in problems[:50]:
        say.print(f"PROBLEM: {problem}", markup=False)
    say.print(f"{len(problems)} problems, seed {seed}, {outcome.seconds:.0f} s")
    if write:
        RESULTS.write_text(as_markdown(outcome, minutes, rows, problems))
    raise typer.Exit(1 if problems else 0)


def as_markdown(outcome: Outcome, minutes: float, rows: list[Row], problems: list[str]) -> str:
    """The table as a file."""
    command = shlex.join(["python", "-m", "tests.faults", "--seed", str(outcome.seed), "--minutes", f"{minutes:g}"])
    lines = [
        "# What it withstood",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d} by `{command}`, seed {outcome.seed}, in {outcome.seconds:.0f} s:",
        f"{psutil.cpu_count()} cores, Python {platform.python_version()}, everything on one machine, fsync and",
        "append-only file on, lease TTL 3 s, scan interval 0.5 s.",
        "",
        "| | what | measured | wanted |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"Problems: {len(problems)}." if problems else "Nothing lost, nothing twice, no attempt unexplained.",
        "",
    ]
    return "\n".join(lines)


def _run(seed: int, minutes: float, keep: Path | None, say: Callable[[str], None]) -> Outcome:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        return run(seed, long(minutes), keep.resolve(), say)
    with tempfile.TemporaryDirectory(prefix="publisher-faults-") as folder:
        return run(seed, long(minutes), Path(folder), say)


if __name__ == "__main__":
    typer.run(main)
