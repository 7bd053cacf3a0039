"""Compares the columns, indexes and constraints of the models with those that the database has."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import peewee

from storage.database import Database
from storage.models.all_models import MODELS


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its table and name."""

    table: str
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """An index, by all that decides what it can serve.

    columns: in order.
    unique: no two rows have the same values.
    partial: it covers a part of the table.
    """

    table: str
    name: str
    columns: tuple[str, ...]
    unique: bool
    partial: bool

    @property
    def shape(self) -> str:
        """The index as a person reads it: `unique on routes (notification_key, route_id)`."""
        words = ("unique", "partial")
        said = [word for word, is_so in zip(words, (self.unique, self.partial), strict=True) if is_so]
        return " ".join([*said, f"on {self.table} ({', '.join(self.columns)})"])


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint by its table and name."""

    table: str
    name: str


# A table is looked for as every statement does, on the search path. One that is missing has nothing. A column of an
# index is read by its name: pg_get_indexdef quotes it where a database sets quote_all_identifiers.
_COLUMNS = """/* found_columns */
SELECT wanted.name, a.attname
FROM unnest(%s::text[]) AS wanted (name)
JOIN pg_attribute AS a ON a.attrelid = to_regclass(quote_ident(wanted.name)) AND a.attnum > 0 AND NOT a.attisdropped
"""

_INDEXES = """/* found_indexes */
SELECT wanted.name, c.relname, i.indisunique, i.indpred IS NOT NULL, i.indisvalid AND i.indisready,
       ARRAY(
         SELECT coalesce(a.attname::text, %s)
         FROM generate_series(1, i.indnkeyatts) AS n
         LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum > 0 AND a.attnum = i.indkey[n - 1]
         ORDER BY n
       )
FROM unnest(%s::text[]) AS wanted (name)
JOIN pg_index AS i ON i.indrelid = to_regclass(quote_ident(wanted.name))
JOIN pg_class AS c ON c.oid = i.indexrelid
"""

# Read through JSON: conenforced is there since PostgreSQL 18 alone.
_CONSTRAINTS = """/* found_constraints */
SELECT wanted.name, c.conname, c.convalidated AND coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true)
FROM unnest(%s::text[]) AS wanted (name)
JOIN pg_constraint AS c ON c.conrelid = to_regclass(quote_ident(wanted.name))
"""

# In the place of a column. PostgreSQL words an expression in its own way, so one is not told from another.
_EXPRESSION = "an expression"
_CHECK = re.compile(r"CONSTRAINT (\w+) CHECK")


def expected_columns() -> list[Column]:
    """Returns every column of the models."""
    return [Column(model._meta.table_name, name) for model in MODELS for name in model._meta.columns]


def found_columns(database: Database) -> set[Column]:
    """Returns every column of the models' tables, also those that the models do not know."""
    return {Column(table, name) for table, name in database.rows(_COLUMNS, [_tables()])}


def expected_indexes() -> dict[Index, str]:
    """Returns every index of the models, with the statement that builds it beside a running service."""
    return {_shape(index): _statement(index) for model in MODELS for index in model._meta.fields_to_index()}


def expected_constraints() -> list[Constraint]:
    """Returns every primary key, foreign key and check of the models."""
    return [
        Constraint(model._meta.table_name, name) for model in MODELS for name in (_key(model), *_constraints(model))
    ]


def found_indexes(database: Database) -> dict[Index, bool]:
    """Returns every index of the models' tables, and whether it is valid."""
    return {
        Index(table, name, tuple(columns), unique, partial): valid
        for table, name, unique, partial, valid, columns in database.rows(_INDEXES, [_EXPRESSION, _tables()])
    }


def found_constraints(database: Database) -> dict[Constraint, bool]:
    """Returns every constraint of the models' tables, and whether it holds for old rows too."""
    return {Constraint(table, name): valid for table, name, valid in database.rows(_CONSTRAINTS, [_tables()])}


def _tables() -> list[str]:
    return [model._meta.table_name for model in MODELS]


def _shape(index: Any) -> Index:
    columns = tuple(_EXPRESSION if isinstance(part, peewee.SQL) else part.column_name for part in index._expressions)
    return Index(index._model._meta.table_name, index._name, columns, bool(index._unique), index._where is not None)


def _statement(index: Any) -> str:
    sql, _ = peewee.Context(quote='""').sql(index.safe(False)).query()
    return str(sql).replace("INDEX", "INDEX CONCURRENTLY", 1)


def _key(model: type[peewee.Model]) -> str:
    # PostgreSQL's own name for a primary key without one.
    return f"{model._meta.table_name}_pkey"


def _constraints(model: type[peewee.Model]) -> Iterator[str]:
    for field in model._meta.sorted_fields:
        if isinstance(field, peewee.ForeignKeyField):
            yield str(field.constraint_name)
    for constraint in model._meta.constraints or ():
        yield from _CHECK.findall(constraint.sql)
