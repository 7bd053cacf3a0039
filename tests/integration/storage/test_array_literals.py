"""What an array literal holds is what PostgreSQL reads."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from publisher.domain.errors import DatabaseRefused
from publisher.domain.notification import RouteStatus
from storage.array_literals import array_literal, columns
from storage.database import Database

ODD = [
    "",
    " ",
    "NULL",
    "null",
    "{}",
    "{",
    "}",
    ",",
    '"',
    '""',
    "\\",
    '\\"',
    "\\\\",
    "'",
    "''",
    "%s",
    "%",
    "\\N",
    "E'\\n'",
]


def read(database: Database, values: Sequence[object], type_: str) -> list[object]:
    """The elements as PostgreSQL reads them."""
    return [row[0] for row in database.rows(f"SELECT * FROM unnest(%s::{type_}[])", [array_literal(values)])]  # type: ignore[arg-type]


def test_a_text_is_read_as_it_was_written(database: Database) -> None:
    """Quotes, backslashes, braces, commas, the word NULL, and every character there is."""
    # PostgreSQL's text holds every character but NUL and the halves of surrogate pairs.
    characters = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    together = ["".join(characters[n : n + 1000]) for n in range(0, len(characters), 1000)]
    for texts in (ODD, characters[:0x3000], together, ["".join(ODD)]):
        assert read(database, texts, "text") == texts


@pytest.mark.parametrize("texts", [["\0"], ["a\0b"], ["a", "b\0c", "d"], ["a", "\0"], ["\0", None]])
def test_a_text_with_nul_is_refused_and_not_split(texts: list[str | None], database: Database) -> None:
    """PostgreSQL's text holds no NUL: such a text does not become two."""
    with pytest.raises(DatabaseRefused, match="NUL"):
        read(database, texts, "text")


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_a_backslash_is_one_whatever_the_server_is_set_to(database: Database, conforming: str) -> None:
    """A server that is set to read backslashes as escapes reads the same."""
    with database.unit() as connection, connection.atomic():
        connection.execute_sql(f"SET LOCAL standard_conforming_strings = {conforming}")
        found = connection.execute_sql("SELECT * FROM unnest(%s::text[])", [array_literal(ODD)]).fetchall()

    assert [row[0] for row in found] == ODD


def test_numbers_instants_and_nothing_are_elements_too(database: Database) -> None:
    """NULL is no text, and an instant is exact to the microsecond."""
    at = datetime(2026, 3, 14, 9, 26, 53, 589_001, tzinfo=UTC)

    assert read(database, [1, -(2**62), None], "bigint") == [1, -(2**62), None]
    assert read(database, [at, None], "timestamptz") == [at, None]


def test_an_array_of_nothing_is_empty(database: Database) -> None:
    """Beside a longer one, unnest gives NULL for each value that it lacks: rows keep their number."""
    literal = array_literal([None, None])

    assert database.rows("SELECT * FROM unnest(%s::int[], %s::text[])", ("{1,2}", literal)) == [(1, None), (2, None)]
    assert literal == "{}"
    assert read(database, ["NULL", None], "text") == ["NULL", None]
    assert read(database, list(RouteStatus), "text") == [status.value for status in RouteStatus]
    assert read(database, [], "text") == []


def test_columns_are_arrays_of_their_rows(database: Database) -> None:
    """Row by row they come back together."""
    rows = [("a", 1, None), ('"', 2, "NULL")]

    found = database.rows("SELECT * FROM unnest(%s::text[], %s::int[], %s::text[])", columns(rows))

    assert [tuple(row) for row in found] == rows
