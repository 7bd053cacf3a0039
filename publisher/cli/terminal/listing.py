"""The frame of the `list` commands: a page of records as a table or as JSON lines, and how to ask for the next page."""

import shlex
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, Protocol, TypeVar

import typer

from publisher.cli.terminal.output import one_line, print_json, print_table, say, show

BeforeOption = Annotated[
    int | None, typer.Option("--before", metavar="NUMBER", help="Show the next page: those before this id.")
]
LimitOption = Annotated[
    int, typer.Option("--limit", metavar="NUMBER", min=1, max=10_000, help="Show at most so many, the newest.")
]


class Listed(Protocol):
    """A record in a listing. id: its place there, larger the newer it is."""

    @property
    def id(self) -> int:
        """Its place in the listing."""


R = TypeVar("R")


def _number(record: Any) -> str:
    listed: Listed = record
    return str(listed.id)


def nothing_found(sought: str, conditions: Mapping[str, object], near: Sequence[str] = ()) -> str:
    """Words what a listing looked for and did not find.

    sought: a noun, such as `route`.
    conditions: words and values of the filter, such as `of channel`: `email`; those whose value is None are left out.
    near: options that may have been meant instead.
    """
    said = [
        f"{words} {value if isinstance(value, int) else show(value)}"
        for words, value in conditions.items()
        if value is not None
    ]
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    return one_line(f"there is no {' '.join([sought, ', '.join(said)]).rstrip()}{meant}")


def print_page(
    title: str,
    records: Sequence[R],
    columns: Mapping[str, Callable[[R], object]],
    fields: Callable[[R], Mapping[str, object]],
    nothing: str,
    *,
    json: bool,
    wrapping: str | None = None,
    numeric: Collection[str] = (),
    limit: int | None = None,
    id_name: str = "id",
    id_of: Callable[[R], str] = _number,
) -> None:
    """Prints records as a table of their ids and these columns, or with `json` their fields, one object a line.

    nothing: the sentence for no records, see `nothing_found`. With `json` it goes to standard error.
    wrapping, numeric: the column that is prose, and those whose texts are numbers, see `print_table`.
    limit: how many records fill a page; after a full page it says how to ask for the next. None: there is no next.
    id_name, id_of: the column that leads, and its id of a record, which commands and `--before` take.
    """
    if not records:
        say(f"publisher: {nothing}" if json else nothing, sys.stderr if json else None)
        return
    if json:
        for record in records:
            print_json(fields(record))
        return
    rows = [[id_of(record), *(value(record) for value in columns.values())] for record in records]
    print_table(title, [id_name, *columns], rows, wrapping=wrapping, numeric=numeric)
    if len(records) == limit:
        print(f"more: --before {one_line(shlex.quote(id_of(records[-1])))}")
