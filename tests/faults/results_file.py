"""Writes RESULTS.md: one section for each measurement, each replaced on its own."""

import platform
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

RESULTS = Path(__file__).parent / "RESULTS.md"
_TITLE = "# What it withstood"
# In the order in which they stand.
CHAOS, SHUTDOWNS, BUGS = "Chaos", "Processes that end", "Planted bugs"


def write(section: str, lines: Iterable[str], path: Path = RESULTS) -> None:
    """Puts these lines in the place of the section, and leaves the others as they are."""
    sections = _read(path) | {section: "\n".join(lines).strip()}
    told = [f"## {name}\n\n{sections[name]}\n" for name in (CHAOS, SHUTDOWNS, BUGS) if name in sections]
    path.write_text("\n".join([f"{_TITLE}\n", *told]))


def measured_by(arguments: Sequence[str], more: str = "") -> str:
    """When, by which command and where the figures of a section were measured."""
    command = shlex.join(["python", "-m", "tests.faults", *arguments])
    where = f"{psutil.cpu_count()} cores, Python {platform.python_version()}, everything on one machine"
    return f"Measured on {datetime.now(UTC):%Y-%m-%d} by `{command}`{more}: {where}."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(row)} |" for row in escaped)]


def _read(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in f"\n{path.read_text()}".split("\n## ")[1:] if path.exists() else ():
        name, _, text = part.partition("\n")
        found[name] = text.strip()
    return found
