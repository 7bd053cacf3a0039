"""Migration 0010 over a database in use: one key for all processes, and the rights to it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.database import Database
from storage.mail.reference_key import mail_reference_key
from storage.schema.schema import migrate
from tests.integration.roles import plain_name, plain_role
from tests.integration.rows import execute, rows
from tests.integration.storage.schema.earlier_schemas import migrated_to, take_back
from tests.integration.storage.schema.test_notification_keys import catalogue


@pytest.fixture
def outdated(create_database: Callable[[str], str]) -> Iterator[Database]:
    """A database of the release before."""
    with migrated_to(create_database("template0"), "0009_answers") as database:
        yield database


def test_processes_that_start_together_have_one_key(database: Database) -> None:
    """A bounce is understood by whichever process reads it (R33)."""
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(mail_reference_key, [database] * 8))

    assert len(set(keys)) == 1
    assert len(keys[0]) == 64


def test_two_systems_have_two_keys(database: Database, outdated: Database) -> None:
    """Who runs a system of his own cannot make the words of this one."""
    migrate(outdated)

    assert mail_reference_key(outdated) != mail_reference_key(database)


def test_who_may_insert_routes_may_read_and_make_the_key(outdated: Database, database_url: str) -> None:
    """Nobody has to grant anything by hand before the processes of this release start."""
    with plain_role(database_url):
        role = plain_name(database_url)
        execute(outdated, f"GRANT SELECT, INSERT, UPDATE, DELETE ON routes TO {role}")
        try:
            migrate(outdated)

            privileges = "SELECT verb FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS verb WHERE {}"
            given = privileges.format("has_table_privilege(%s, 'mail_reference_key', verb)")
            assert [row["verb"] for row in rows(outdated, given, role)] == ["SELECT", "INSERT"]
        finally:
            execute(outdated, f"DROP OWNED BY {role}")


def test_it_can_be_taken_back(outdated: Database) -> None:
    """`down` gives the release before its schema back."""
    before = catalogue(outdated)
    migrate(outdated)

    take_back(outdated, "0010_mail_keys")

    assert catalogue(outdated) == before
