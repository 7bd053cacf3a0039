"""The driver's errors become ours: what the caller must do, and no secret in the text."""

import traceback
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import pytest

from publisher.domain.errors import DatabaseMisconfigured, DatabaseRefused, DatabaseUnavailable, SchemaOutdated
from storage.database import Database
from tests.conftest import connected, with_database
from tests.factories import accepted
from tests.integration.rows import change, due_routes, execute, one_route, rows

SECRETS = ("secret", "ann@example.com", "turn-17")


def raising(code: str) -> str:
    """A statement that the server ends with this SQLSTATE."""
    return f"DO $$ BEGIN RAISE EXCEPTION 'a reason' USING ERRCODE = '{code}', DETAIL = 'a secret'; END $$"


def test_a_server_that_is_down_is_unavailable() -> None:
    """With no server there, the error is DatabaseUnavailable, and its text holds no password."""
    database = Database("postgresql://ann:secret@127.0.0.1:1/publisher", application_name="test")

    with pytest.raises(DatabaseUnavailable, match="refused") as raised:
        database.rows("SELECT 1")

    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_database_that_does_not_exist_is_unavailable(database_url: str) -> None:
    """A database that is not there yet may come: the error says which one."""
    database = Database(with_database(database_url, "nowhere"), application_name="test")

    with pytest.raises(DatabaseUnavailable, match="nowhere"):
        database.rows("SELECT 1")


def test_a_refused_login_does_not_name_the_user(database_url: str) -> None:
    """The user is a part of the URL, perhaps a misplaced password: no message and no traceback has it (R36)."""
    url = urlsplit(database_url)
    stranger = urlunsplit(url._replace(netloc=f"secret-ann@{url.netloc.rpartition('@')[2]}"))

    with pytest.raises(DatabaseUnavailable, match=r'role "\*\*\*" does not exist') as refused:
        Database(stranger, application_name="test").rows("SELECT 1")

    assert "secret-ann" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("40001", id="serialization-failure"),
        pytest.param("40P01", id="deadlock"),
        pytest.param("55P03", id="lock-timeout"),
        pytest.param("57014", id="canceled"),
        pytest.param("25006", id="read-only-after-failover"),
        pytest.param("53100", id="disk-full"),
        pytest.param("53200", id="out-of-memory"),
        pytest.param("53300", id="too-many-connections"),
        pytest.param("57P01", id="shutdown"),
        pytest.param("57P03", id="starting-up"),
        pytest.param("08006", id="connection-lost"),
    ],
)
def test_what_may_pass_is_unavailability(database: Database, code: str) -> None:
    """An answer that is no verdict on the statement means: wait and try again."""
    with pytest.raises(DatabaseUnavailable, match=r"^PostgreSQL is (not available|busy): a reason$"):
        execute(database, raising(code))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("23505", id="unique"),
        pytest.param("23514", id="check"),
        pytest.param("22P02", id="no-such-text"),
        pytest.param("22003", id="out-of-range"),
        pytest.param("22P05", id="untranslatable"),
        pytest.param("54000", id="too-large-for-the-server"),
    ],
)
def test_a_verdict_on_a_value_is_a_refusal(database: Database, code: str) -> None:
    """An answer that blames a value is a refusal, without the row's values (R19a)."""
    with pytest.raises(DatabaseRefused, match=r"^PostgreSQL refused the statement: a reason$"):
        execute(database, raising(code))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("42501", id="not-permitted"),
        pytest.param("42601", id="syntax"),
        pytest.param("42883", id="no-such-function"),
        pytest.param("0A000", id="not-supported"),
        pytest.param("25001", id="in-a-transaction"),
        pytest.param("3F000", id="no-such-schema"),
        pytest.param("F0000", id="configuration-file"),
        pytest.param("P0001", id="a-trigger-s"),
        pytest.param("XX000", id="internal"),
        pytest.param("ZZ999", id="unheard-of"),
    ],
)
def test_what_no_value_causes_is_waited_out(database: Database, code: str) -> None:
    """A refusal that blames no value is like an outage, and its text holds the SQLSTATE (R19a)."""
    with pytest.raises(DatabaseMisconfigured, match=rf"SQLSTATE {code}\): a reason"):
        execute(database, raising(code))

    assert issubclass(DatabaseMisconfigured, DatabaseUnavailable)


def test_a_value_that_the_driver_has_no_adapter_for_is_refused(database: Database) -> None:
    """What the driver cannot adapt is a value's fault, and nothing was sent (R19a)."""
    with pytest.raises(DatabaseRefused, match="cannot be sent"):
        database.rows("SELECT %s", [object()])


@pytest.mark.parametrize("code", ["42P01", "42703"])
def test_a_missing_table_or_column_names_the_remedy(database: Database, code: str) -> None:
    """A table or column that is missing means that the schema is older than the code."""
    with pytest.raises(SchemaOutdated, match="run 'publisher migrate'"):
        execute(database, raising(code))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO notifications OVERRIDING SYSTEM VALUE SELECT * FROM notifications",
        "UPDATE routes SET attempt_count = -1",
        "UPDATE routes SET recipient_ref = NULL",
        "UPDATE routes SET notification_key = NULL",
    ],
)
def test_a_refusal_holds_no_values_of_the_row(database: Database, statement: str) -> None:
    """A constraint that is broken is named, and nothing of the row that breaks it (R26)."""
    accepted(database, [{"idempotency_key": "turn-17"}])

    with pytest.raises(DatabaseRefused) as raised:
        execute(database, statement)

    text = str(raised.value)
    assert "constraint" in text
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("text", ["before\0after", "half of a pair: \ud83c"])
def test_text_that_postgresql_cannot_hold_is_refused(database: Database, text: str) -> None:
    """NUL and lone surrogates are refused before they are sent; the connection stays usable."""
    with pytest.raises(DatabaseRefused, match="cannot be sent") as raised:
        database.rows("SELECT %s", [text])

    assert "before" not in str(raised.value)
    assert "half" not in str(raised.value)
    assert rows(database, "SELECT 1 AS one") == [{"one": 1}]


def test_a_statement_that_takes_too_long_is_ended_by_the_server(database_url: str) -> None:
    """The server ends a statement at its timeout, and the connection is kept."""
    database = Database(database_url, application_name="test", statement_timeout=timedelta(milliseconds=300))
    before = database.rows("SELECT pg_backend_pid()")

    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        database.rows("SELECT pg_sleep(60)")

    assert database.rows("SELECT pg_backend_pid()") == before
    database.close()


def test_a_row_that_someone_holds_is_not_waited_for_without_end(database_url: str) -> None:
    """A statement that waits for another's lock is ended in time, and changes nothing."""
    database = Database(database_url, application_name="test", statement_timeout=timedelta(milliseconds=300))
    [route] = due_routes(database, 1)
    before = one_route(database, route)

    with connected(database_url) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT 1 FROM routes FOR UPDATE")
        with pytest.raises(DatabaseUnavailable, match="timeout"):
            change(database, [route], "attempt_count = 1")

    assert one_route(database, route) == before
    database.close()


def test_without_a_timeout_a_statement_may_take_as_long_as_it_needs(database_url: str) -> None:
    """A database without statement timeout, for migrations, has none on the server either."""
    database = Database(database_url, application_name="test", statement_timeout=None)

    assert rows(database, "SELECT current_setting('statement_timeout') AS t") == [{"t": "0"}]
    database.close()
