"""Tokens of the HTTP door in PostgreSQL: found by their hash, their last use kept cheaply, and migration 0011."""

from collections.abc import Callable, Iterator

import pytest

from publisher.domain.door_token import Sends, token_hash
from storage.database import Database
from storage.schema.schema import migrate
from storage.tokens import add_token, list_tokens, revoke_token, token_of_hash
from tests.integration.roles import plain_name, plain_role
from tests.integration.rows import execute, rows
from tests.integration.storage.schema.earlier_schemas import migrated_to, take_back
from tests.integration.storage.schema.test_notification_keys import catalogue

HASH = token_hash("npt_x")


@pytest.fixture
def outdated(create_database: Callable[[str], str]) -> Iterator[Database]:
    """A database of the release before."""
    with migrated_to(create_database("template0"), "0010_mail_keys") as database:
        yield database


def test_the_last_use_is_written_once_a_minute(database: Database) -> None:
    """However many requests come: the row of a busy token would have a version each."""
    add_token(database, "shop", "x", [Sends.INTENTS], HASH, "ann")

    def version() -> object:
        assert token_of_hash(database, HASH) is not None
        return rows(database, "SELECT xmin FROM door_tokens")[0]["xmin"]

    first = version()
    assert version() == first
    execute(database, "UPDATE door_tokens SET last_used_at = last_used_at - interval '61 s'")
    then = list_tokens(database)[0].last_used_at

    assert version() != first
    assert list_tokens(database)[0].last_used_at != then


def test_a_revoked_token_keeps_who_revoked_it_first(database: Database) -> None:
    """Of two operators one revokes, and is told so."""
    made = add_token(database, "shop", "x", [Sends.INTENTS, Sends.EVENTS], HASH, "ann")

    first, second = revoke_token(database, made.id, "bob"), revoke_token(database, made.id, "eve")

    assert second is None
    assert list_tokens(database) == [first]
    assert first is not None
    assert first.revoked_by == "bob"
    assert token_of_hash(database, HASH) is None


def test_who_may_insert_routes_may_let_senders_in(outdated: Database, database_url: str) -> None:
    """Nobody has to grant anything by hand before the processes of this release start."""
    with plain_role(database_url):
        role = plain_name(database_url)
        execute(outdated, f"GRANT SELECT, INSERT, UPDATE, DELETE ON routes TO {role}")
        try:
            migrate(outdated)

            privileges = "SELECT verb FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS verb WHERE {}"
            given = privileges.format("has_table_privilege(%s, 'door_tokens', verb)")
            assert [row["verb"] for row in rows(outdated, given, role)] == ["SELECT", "INSERT", "UPDATE"]
        finally:
            execute(outdated, f"DROP OWNED BY {role}")


def test_it_can_be_taken_back(outdated: Database) -> None:
    """`down` gives the release before its schema back."""
    before = catalogue(outdated)
    migrate(outdated)

    take_back(outdated, "0011_door")

    assert catalogue(outdated) == before
