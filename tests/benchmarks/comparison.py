"""`python -m tests.benchmarks --compare`: shows how far the turns have come, then the table of ratios."""

import statistics
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.table import Table

from tests.benchmarks.compare import Compared, Measured, compare, lines
from tests.benchmarks.copied_commit import copied, today
from tests.benchmarks.results import Figure


def compare_with(commit: str, groups: Sequence[str], rounds: int, arguments: Sequence[str]) -> None:
    """Measures this commit and this checkout in turn, says each line on standard error, and prints the ratios.

    arguments: more of the command line of each turn. Raises NoSuchCommit. Raises typer.Exit if no line can be compared.
    """
    say = Console(stderr=True)
    with say.status(f"copying {commit}") as status, copied(commit) as before:

        def told(name: str, turn: int, group: str, figure: Figure | None) -> None:
            status.update(f"round {turn} of {rounds}: {name}: {group}")
            if figure is not None:
                say.print(
                    f"{turn} {name}: {figure.group}: {figure.what}: {figure.value}", highlight=False, soft_wrap=True
                )

        sides = compare(before, today(), groups, rounds, arguments, told)
    print_table(_table(*sides))
    for side in sides:
        for reason in dict.fromkeys(side.failed):
            say.print(f"{side.name} could not be measured: {reason}", highlight=False, markup=False, soft_wrap=True)
    if not any(True for _ in lines(*sides)):
        raise typer.Exit(1)


def _table(before: Measured, after: Measured) -> Table:
    table = Table("", "what", before.name, after.name, "ratio", "from", "to")
    for each in lines(before, after):
        table.add_row(each.group, each.what, _range(each.before), _range(each.after), *_ratio(each))
    return table


def _range(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,g} ({min(values):,g} to {max(values):,g})"


def _ratio(each: Compared) -> tuple[str, str, str]:
    if each.ratio is None or not each.ratios:
        return "–", "", ""
    return f"{each.ratio:.2f} ×", f"{min(each.ratios):.2f}", f"{max(each.ratios):.2f}"


def print_table(table: Table) -> None:
    """Prints a table as wide as the terminal, and elsewhere wide enough."""
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(table)
