"""Prints tables for people and JSON lines for programs, and never a byte that a terminal would obey."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, OverflowMethod
from rich.progress import Progress, ProgressColumn
from rich.table import Table
from rich.text import Text

from publisher.cli.standard_streams import expressible, shows_every_character
from publisher.domain.instants import readable
from publisher.operations.wording import short

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
YesFlag = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

# Characters that a terminal obeys, that a reader may take for the end of a line, or that are halves of a character,
# which no encoding has. In JSON they occur in strings alone.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Width between two columns of a table, in characters.
_BETWEEN = 3


def console() -> Console:
    """Returns standard output with the terminal's colours and width; elsewhere plain, and wide enough for any table."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def progress(*columns: ProgressColumn) -> Progress:
    """Returns a progress display on standard error, which vanishes at its end. Without a terminal it shows nothing."""
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def printable(text: str) -> str:
    """Returns the text with a question mark for every control character: the text may come from anybody.

    Characters that standard output cannot show stand as escapes, so that a table is laid out with what is shown.
    """
    return expressible("".join(c if c.isprintable() else "?" for c in text))


def one_line(text: str) -> str:
    """Returns the text as one printable line."""
    return printable(" ".join(text.split()))


def print_json(record: Mapping[str, object]) -> None:
    """Prints one object on one line. Instants are ISO 8601 in UTC with milliseconds (R2).

    Letters stand as themselves where standard output is UTF-8, else as escapes, which mean the same.
    """
    text = json.dumps(record, default=_plain, ensure_ascii=not shows_every_character())
    print(_UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    folding: str | None = None,
    optional: int = 0,
) -> None:
    """Prints a table with these columns; numbers are aligned to the right.

    folding: the one column that may take several lines. optional: how many of the last columns are left out, one
    by one, where the terminal is too narrow for them.
    """
    values = [list(row) for row in rows]
    texts = [[show(value) for value in row] for row in values]
    out = console()
    shown, least = len(columns), len(columns) - optional
    widths = [max(map(cell_len, (column, *(row[n] for row in texts)))) for n, column in enumerate(columns)]
    while shown > least and sum(widths[:shown]) + _BETWEEN * shown > out.width:
        shown -= 1
    caption = "more with --json, or on a wider terminal" if shown < len(columns) else None
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left", box=SIMPLE_HEAD)
    table.pad_edge = False
    for n, column in enumerate(columns[:shown]):
        numeric = bool(values) and all(isinstance(row[n], (int, float, type(None))) for row in values)
        rigid = folding is not None and column != folding
        overflow: OverflowMethod = "ellipsis" if rigid else "fold"
        table.add_column(column, justify="right" if numeric else "left", overflow=overflow, no_wrap=rigid)
    for row in texts:
        table.add_row(*map(Text, row[:shown]))
    out.print(table)


def print_record(record: Mapping[str, object]) -> None:
    """Prints names and values, one a line. An id has no separators, so that it can be pasted."""
    table = Table.grid(padding=(0, 2))
    for name, value in record.items():
        table.add_row(Text(name, style="bold"), Text(str(value) if name == "id" else show(value)))
    console().print(table)


def show(value: object) -> str:
    """Words a value for a person."""
    if value is None:
        return expressible("–")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return readable(value)
    if isinstance(value, timedelta):
        return short(value)
    return printable(str(value.value if isinstance(value, Enum) else value))


def confirm(question: str, yes: bool) -> None:
    """Asks before something is changed, on a terminal. Elsewhere `--yes` must have been given.

    Raises typer.Abort for a no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} There is no terminal to ask on: add --yes to go on.")
    if not typer.confirm(question):
        raise typer.Abort


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    return str(value)
