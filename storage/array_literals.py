"""Writes arrays as PostgreSQL reads them, one text a column of many rows.

psycopg2 writes an array as ARRAY[…], each element a literal by itself, which costs this process and PostgreSQL's parser
several times as much.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

Value = str | int | datetime | None


def columns(rows: Sequence[Sequence[Value]]) -> list[str]:
    """Turns rows into an array a column, for unnest: the statement's text is the same for any number of rows.

    The statement names the type of each, as in `%s::text[]`.
    """
    return [array_literal(column) for column in zip(*rows, strict=True)]


def array_literal(values: Iterable[Value]) -> str:
    """Returns the array as text (PostgreSQL manual, Array Value Input). A text is quoted, whatever it holds.

    An array of nothing but NULL is empty: unnest gives NULL for what one array has less than another.
    """
    elements = list(values)
    kinds = set(map(type, elements))
    if kinds == {type(None)}:
        return "{}"
    if kinds and all(issubclass(kind, str) for kind in kinds):
        # All at once, with NUL between them meanwhile: no text that PostgreSQL takes holds one.
        joined = "\0".join(cast("list[str]", elements))
        if joined.count("\0") == len(elements) - 1:
            quoted = _escaped(joined).replace("\0", '","')
            return f'{{"{quoted}"}}'
    return f"{{{','.join([_element(value) for value in elements])}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _element(value: Value) -> str:
    if isinstance(value, str):
        return f'"{_escaped(value)}"'
    if value is None:
        return "NULL"
    return value.isoformat() if isinstance(value, datetime) else str(value)
