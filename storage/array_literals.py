"""Writes arrays as PostgreSQL reads them, one text a column of many rows.

psycopg2 writes an array as ARRAY[…], each element a literal by itself, which costs this process and PostgreSQL's parser
several times as much.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

Value = str | int | datetime | None


def columns(rows: Sequence[Sequence[Value]]) -> list[str]:
    """Turns rows into an array a column, for unnest: the statement's text is the same for any number of rows.

    The statement names the type of each, as in `%s::text[]`.
    """
    return [array_literal(column) for column in zip(*rows, strict=True)]


def array_literal(values: Iterable[Value]) -> str:
    """Returns the array as text (PostgreSQL manual, Array Value Input). A text is quoted, whatever it holds."""
    return f"{{{','.join([_element(value) for value in values])}}}"


def _element(value: Value) -> str:
    if isinstance(value, str):
        if "\\" in value:
            value = value.replace("\\", "\\\\")
        if '"' in value:
            value = value.replace('"', '\\"')
        return f'"{value}"'
    if value is None:
        return "NULL"
    return value.isoformat() if isinstance(value, datetime) else str(value)
