"""The lines of RESULTS.md: written by a run of the benchmarks, read by the next one and by the tables of the guides."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

RESULTS = Path(__file__).parent / "RESULTS.md"


@dataclass(frozen=True)
class Figure:
    """One line of the table. ratio: beside which ruler, and how much of it."""

    group: str
    what: str
    value: str
    beside: str = ""
    target: str = ""


def as_markdown(figures: Sequence[Figure], runs: int) -> str:
    """The table as a file. runs: how many the medians are of."""
    lines = [
        "# How fast it is, and how large",
        "",
        f"Last written on {datetime.now(UTC):%Y-%m-%d} by `python -m tests.benchmarks --write`.",
        "Groups that were not run then keep their rows.",
        f"{psutil.cpu_count()} cores, Python {platform.python_version()}, everything on one machine, with fsync on.",
        f"Throughputs are medians of {runs}. Machines differ: the ratios say more than the figures.",
        "",
        "| | what | measured | beside | target |",
        "|---|---|---|---|---|",
        *(f"| {f.group} | {f.what} | {f.value} | {f.beside} | {f.target} |" for f in figures),
        "",
    ]
    return "\n".join(lines)


def as_json(figure: Figure) -> str:
    """One line as JSON."""
    return json.dumps(asdict(figure))


def kept(measured: Sequence[Figure]) -> list[Figure]:
    """Returns the lines of the file that were not measured anew: a run of some groups leaves the others as they are."""
    groups = {figure.group for figure in measured}
    return [figure for figure in written() if figure.group not in groups]


def written() -> list[Figure]:
    """Returns the lines of the file; none if there is no file."""
    if not RESULTS.exists():
        return []
    rows = [line.strip("|").split(" | ") for line in RESULTS.read_text().splitlines() if line.startswith("| ")]
    return [Figure(*(cell.strip() for cell in row)) for row in rows[1:] if len(row) == 5]
