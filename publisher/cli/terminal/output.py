"""Prints tables for people and JSON lines for programs, and never a byte that a terminal would obey."""

import json
import os
import re
import shlex
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from textwrap import wrap
from typing import Annotated, TextIO

import typer
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from publisher.cli.terminal.layout import Rows, fields
from publisher.cli.terminal.standard_streams import expressible, shows_every_character
from publisher.domain.errors import BadRequest
from publisher.domain.instants import readable
from publisher.operations import wording
from publisher.operations.json_values import json_value
from publisher.operations.wording import short

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
# Passed to `confirm` by a command that has --dry-run.
DryRunFlag = Annotated[bool, typer.Option("--dry-run", help="Only count: change nothing.")]
DRY_RUN = "--dry-run to count"
YesFlag = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where there is no terminal.")]

# Characters that a terminal obeys, that a reader may take for the end of a line, or that are halves of a character,
# which no encoding has. In JSON they occur in strings alone.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Wider than any line.
_UNLIMITED = 1_000_000


def console() -> Console:
    """Returns standard output with the terminal's colours and width.

    COLUMNS, if it is set, is the width everywhere. Elsewhere output is plain, and no line is wrapped: `grep` finds it
    whole. No text between colons becomes an emoji.
    """
    measured = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(width=None if measured else _UNLIMITED, highlight=False, emoji=False)


def printable(text: str) -> str:
    """Returns the text with a question mark for every control character: the text may come from anybody.

    Characters that standard output cannot show stand as escapes, so that a table is laid out with what is shown.
    """
    return expressible(wording.printable(text))


def one_line(text: str) -> str:
    """Returns the text as one printable line."""
    return printable(" ".join(text.split()))


def say(sentence: str, file: TextIO | None = None, indent: int = 0) -> None:
    """Prints a sentence as one line. A terminal that is narrower shows it wrapped between words, never within one.

    So an id, a URL or an option in it stays whole. file: standard error; None: standard output. indent: spaces before
    each line.
    """
    out, before = file or sys.stdout, " " * indent
    lines = wrap(
        sentence,
        _columns(out),
        initial_indent=before,
        subsequent_indent=before,
        break_long_words=False,
        break_on_hyphens=False,
    )
    print("\n".join(lines), file=out)


def say_command(line: str, file: TextIO, indent: int) -> None:
    """Prints a command line to paste. A terminal that is narrower shows it over several lines, as a shell reads it.

    line: as `shlex.split` reads it; no word is broken. indent: spaces before the line.
    """
    before = " " * indent
    # Each line but the last ends in a space and a backslash.
    room = _columns(file) - indent - len(" \\")
    lines: list[str] = []
    for word in (shlex.quote(one_line(word)) for word in shlex.split(line)):
        if lines and cell_len(f"{lines[-1]} {word}") <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(f"  {word}" if lines else word)
    print(" \\\n".join(f"{before}{each}" for each in lines), file=file)


def _columns(out: TextIO) -> int:
    """The width of the terminal that this is, or no limit."""
    if not out.isatty():
        return _UNLIMITED
    return int(os.environ.get("COLUMNS", "0") or 0) or os.get_terminal_size(out.fileno()).columns


def print_json(record: Mapping[str, object]) -> None:
    """Prints one object on one line. Instants are ISO 8601 in UTC with milliseconds (R2).

    Letters stand as themselves where standard output is UTF-8, else as escapes, which mean the same.
    """
    text = json.dumps(record, default=json_value, ensure_ascii=not shows_every_character())
    print(_UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    wrapping: str | None = None,
    numeric: Collection[str] = (),
) -> None:
    """Prints records of the same fields as a table, or in a layout that fits a narrower screen (`cli.layout`).

    Numbers are aligned to the right. wrapping: the column that is prose, and may take several lines. numeric: columns
    whose texts are numbers.
    """
    values = [list(row) for row in rows]
    if not values:
        print(f"{title}: none")
        return
    numbers = {
        column
        for n, column in enumerate(columns)
        if column in numeric or all(isinstance(row[n], (int, float, type(None))) for row in values)
    }
    texts = [[Text(show(value)) for value in row] for row in values]
    print_layout(Text(title, "italic"), Rows(columns, texts, numbers, wrapping))


def print_record(record: Mapping[str, object], *, wrapping: Collection[str] = ()) -> None:
    """Prints names and values, one a line. An id has no separators, so that it can be pasted.

    wrapping: the names of the values that are prose, and may take several lines.
    """
    texts = {name: Text(str(value) if name == "id" else show(value)) for name, value in record.items()}
    print_layout(fields(texts, wrapping))


def print_layout(*parts: RenderableType) -> None:
    """Prints parts that were laid out by `cli.layout`. A line that is wider than the terminal is continued by it."""
    out = console()
    if out.is_terminal:
        out.print(*parts, sep="\n", crop=False)
        return
    with out.capture() as printed:
        out.print(*parts, sep="\n", crop=False)
    print("\n".join(line.rstrip(" ") for line in printed.get().split("\n")), end="")


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


class Declined(Exception):
    """A person has answered no: nothing was changed."""


def confirm(question: str, yes: bool, *, instead: str = "") -> None:
    """Asks before something is changed, on a terminal. Elsewhere `--yes` must have been given.

    instead: the option that changes nothing, and why one takes it; empty: the command has none.
    Raises Declined for a no, and BadRequest if nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        otherwise = f", or {instead}" if instead else ""
        raise BadRequest(f"{question} Standard input is no terminal to ask on: pass --yes{otherwise}")
    if not typer.confirm(question):
        raise Declined
