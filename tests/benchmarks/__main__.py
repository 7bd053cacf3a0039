"""`python -m tests.benchmarks`: runs every measurement beside its rulers, prints a table, and writes it to a file."""

import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.benchmarks.comparison import compare_with, print_table
from tests.benchmarks.copied_commit import NoSuchCommit
from tests.benchmarks.measurements import GROUPS, measure
from tests.benchmarks.results import RESULTS, Figure, as_json, as_markdown, kept
from tests.benchmarks.size import TINY, Size
from tests.benchmarks.stage import durable_servers


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"Just these groups: {', '.join(GROUPS)}.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each throughput; the median counts.")] = 3,
    grown: Annotated[int | None, typer.Option(min=2, help="Published routes of the group `grown`.")] = None,
    tiny: Annotated[bool, typer.Option(help="So small that the figures mean nothing: does it run at all?")] = False,
    write: Annotated[bool, typer.Option(help=f"Write the table to {RESULTS.name}, beside groups not run.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print each line as JSON, once it is known.")] = False,
    commit: Annotated[
        str | None,
        typer.Option(
            "--compare",
            metavar="COMMIT",
            help="Measure this commit and this checkout in turn, --runs times each, and print the ratios. What the"
            " earlier commit lacks, a column or a command, is named and left out: its own seeds and rulers fill and"
            " drive its own tables, everything else is measured by the code of today.",
        ),
    ] = None,
) -> None:
    """Measure the service on durable embedded servers. The whole takes about an hour and a half."""
    groups = tuple(only or GROUPS)
    for group in groups:
        if group not in GROUPS:
            raise typer.BadParameter(f"there is no group {group!r}: {', '.join(GROUPS)}", param_hint="--only")
    # Whoever stops this stops it as Ctrl-C does: the servers and folders go with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if commit is not None:
        more = [*(["--tiny"] if tiny else []), *([] if grown is None else ["--grown", str(grown)])]
        try:
            compare_with(commit, groups, runs, more)
        except NoSuchCommit as error:
            raise typer.BadParameter(str(error), param_hint="--compare") from error
        return
    size = TINY if tiny else Size(runs=runs)
    figures = _measured(size if grown is None else replace(size, grown=grown), groups, json=json)
    if not json:
        table = Table("", "what", "measured", "beside", "target")
        for figure in figures:
            table.add_row(figure.group, figure.what, figure.value, figure.beside, figure.target)
        print_table(table)
    if write:
        RESULTS.write_text(as_markdown([*kept(figures), *figures], size.runs))


def _measured(size: Size, groups: Sequence[str], *, json: bool) -> list[Figure]:
    """Measures these groups, and says each line once it is known."""
    figures = []
    say = Console(stderr=True)
    with durable_servers() as servers, say.status("measuring"):
        for figure in measure(servers, size, groups):
            if json:
                print(as_json(figure), flush=True)
            else:
                say.print(
                    f"{figure.group}: {figure.what}: {figure.value} {figure.beside}", highlight=False, soft_wrap=True
                )
            figures.append(figure)
    return figures


if __name__ == "__main__":
    typer.run(main)
