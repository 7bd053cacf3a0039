"""The frame of the `list` commands: a page of records as a table or as JSON lines, and how to ask for the next page."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Protocol, TypeVar

import typer

from publisher.cli.output import print_json, print_table

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


R = TypeVar("R", bound=Listed)


def print_page(
    title: str,
    records: Sequence[R],
    columns: Mapping[str, Callable[[R], object]],
    fields: Callable[[R], Mapping[str, object]],
    *,
    json: bool,
    wrapping: str | None = None,
    limit: int | None = None,
) -> None:
    """Prints records as a table of their ids and these columns, or with `json` their fields, one object a line.

    wrapping: the column that is prose, see `print_table`.
    limit: how many records fill a page; after a full page it says how to ask for the next. None: there is no next.
    """
    if json:
        for record in records:
            print_json(fields(record))
        return
    rows = [[str(record.id), *(value(record) for value in columns.values())] for record in records]
    print_table(title, ["id", *columns], rows, wrapping=wrapping)
    if len(records) == limit:
        print(f"more: --before {records[-1].id}")
