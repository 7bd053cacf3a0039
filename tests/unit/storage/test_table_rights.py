"""The table of PostgreSQL rights against the statements of the code: neither too few nor too many."""

import ast
import re
from pathlib import Path

import pytest

import storage
from storage.models.all_models import MODELS
from storage.schema.rights import NEEDED, Grantee, grant_statements, grantee, quoted_name

TABLES = {model._meta.table_name for model in MODELS}
# What a statement does, by how it begins. DO UPDATE and FOR UPDATE name no table.
VERBS = {"INSERT": r"INSERT INTO (\w+)", "DELETE": r"DELETE FROM (\w+)", "UPDATE": r"(?<!DO )(?<!FOR )UPDATE (\w+)"}
UPSERT = re.compile(r"INSERT INTO (\w+)(?:(?!INSERT INTO).)*?DO UPDATE", re.DOTALL)
# Rows that are only locked (FOR UPDATE), so that no two processes prune the same.
LOCKED = {("notifications", "UPDATE")}


def statements() -> str:
    """Every text in the modules of `storage`, but for migrations: whoever runs those owns the tables."""
    modules = [path for path in sorted(Path(storage.__file__).parent.rglob("*.py")) if path.parent.name != "migrations"]
    nodes = [node for path in modules for node in ast.walk(ast.parse(path.read_text()))]
    texts = [n.values if isinstance(n, ast.JoinedStr) else [n] for n in nodes]
    return "\n;\n".join(
        "".join(part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))
        for parts in texts
    )


def used() -> set[tuple[str, str]]:
    """Each table with what some statement does with its rows."""
    text = statements()
    found = {(table, verb) for verb, pattern in VERBS.items() for table in re.findall(pattern, text)}
    found |= {(table, "UPDATE") for statement in text.split("\n;\n") for table in UPSERT.findall(statement)}
    return {(table, verb) for table, verb in found if table in TABLES}


def test_every_table_has_its_rights() -> None:
    """A new table is a new line there."""
    assert set(NEEDED) >= TABLES
    assert set(NEEDED) - TABLES == {"schema_migration"}
    assert all("SELECT" in verbs for verbs in NEEDED.values())


def test_the_table_names_what_the_statements_do_and_no_more() -> None:
    """A right that is missing stops the service one day; one too many is no right to rows that are needed."""
    needed = {(table, verb) for table, verbs in NEEDED.items() for verb in verbs if verb != "SELECT"}

    assert needed == used() | LOCKED


def test_the_statements_to_paste_name_every_table_once() -> None:
    """After the rights to database and schema, without which no table is seen."""
    connect, usage, *grants = grant_statements(Grantee("publisher", "app", "public"))

    assert connect == 'GRANT CONNECT ON DATABASE "app" TO "publisher";'
    assert usage == 'GRANT USAGE ON SCHEMA public TO "publisher";'
    named = [name for grant in grants for name in grant.split(" ON ")[1].split(" TO ")[0].split(", ")]
    assert sorted(named) == sorted(f"public.{table}" for table in NEEDED)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgres://ann:pw@a/app", Grantee("ann", "app", "public")),
        ("postgres://ann@a", Grantee("ann", "ann", "public")),
        ("postgres://a/app", Grantee("", "app", "public")),
        ("postgres://ann%40x:pw@a,b/app?dbname=other", Grantee("ann@x", "other", "public")),
        ("postgres://ann@a/app?options=-csearch_path%3Dours,public", Grantee("ann", "app", "ours")),
        ("postgres://ann@a/app?options=-c%20search_path%3D%22$user%22", Grantee("ann", "app", "ann")),
    ],
)
def test_a_url_says_who_connects_and_where(url: str, found: Grantee) -> None:
    """As libpq reads it; the database is by default the user's own."""
    assert grantee(url) == found


def test_a_name_with_quotation_marks_stays_one_name() -> None:
    """In SQL a quotation mark within a name is written twice."""
    assert quoted_name('a"; DROP TABLE routes; --') == '"a""; DROP TABLE routes; --"'
