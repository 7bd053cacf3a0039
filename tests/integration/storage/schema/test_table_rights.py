"""A role with rights to rows alone: which it lacks, what gives them, and what it can do with them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from publisher.domain.errors import PublisherError
from storage import health
from storage.database import Database
from storage.schema.rights import NEEDED, Grantee, grant_statements, missing_grants
from tests.conftest import connected, run_sql
from tests.integration.roles import GRANTS, plain_role
from tests.integration.rows import rows


@contextmanager
def as_role(database_url: str, *statements: str) -> Iterator[Database]:
    """The database as such a role sees it."""
    with plain_role(database_url, *statements) as url, closing(Database(url, application_name="plain")) as database:
        yield database


def limit_files(pid: int, size: str) -> None:
    """Lets no file of this process grow beyond so many bytes. Run as its user, who may do that to his own."""
    owner = Path(f"/proc/{pid}").stat()
    user = {} if owner.st_uid == os.geteuid() else {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    subprocess.run(["prlimit", f"--pid={pid}", f"--fsize={size}:"], check=True, cwd="/", **user)


def test_the_owner_lacks_nothing(database: Database) -> None:
    """Who made the tables may do all with them."""
    assert missing_grants(database) == []


def test_the_statements_to_paste_are_enough(database_url: str) -> None:
    """Nothing is missing after them; and the schema itself remains somebody else's."""
    with as_role(database_url, *GRANTS) as database:
        assert missing_grants(database) == []
        with pytest.raises(PublisherError, match="must be owner"):
            database.rows("ALTER TABLE routes ADD COLUMN more text")


def test_the_statements_name_the_schema_and_whatever_people_call_things(database_url: str) -> None:
    """A role may be called `user`, a keyword, and the tables may be in a schema that nobody else looks into."""
    name = urlsplit(database_url).path[1:]
    moved = [f'ALTER TABLE {table} SET SCHEMA "Our App"' for table in NEEDED]
    parts = urlsplit(database_url)
    url = urlunsplit(parts._replace(netloc=f"user@{parts.netloc.rpartition('@')[2]}"))
    run_sql(database_url, 'CREATE ROLE "user" LOGIN', 'CREATE SCHEMA "Our App"', *moved)
    try:
        run_sql(database_url, *grant_statements(Grantee("user", name, "Our App")))
        run_sql(database_url, f'ALTER ROLE "user" IN DATABASE "{name}" SET search_path = "Our App"')
        with closing(Database(url, application_name="user")) as database:
            assert missing_grants(database) == []
    finally:
        run_sql(database_url, 'DROP OWNED BY "user"', 'DROP ROLE "user"')


def test_a_right_that_is_taken_away_is_named_and_given_back_by_its_statement(database_url: str) -> None:
    """Each verb of each table by itself."""
    with as_role(database_url, *GRANTS) as database:
        role = rows(database, "SELECT current_user AS name")[0]["name"]
        for table, verbs in NEEDED.items():
            for verb in verbs:
                run_sql(database_url, f"REVOKE {verb} ON {table} FROM {role}")
                [grant] = missing_grants(database)
                assert grant.what == f"{verb} on {table}"
                run_sql(database_url, grant.statement)
        assert missing_grants(database) == []


def test_row_security_that_gives_no_row_is_named_and_opened_by_its_statement(database_url: str) -> None:
    """Each right is there, and every write is refused: intake would wait for ever beside a doctor that is content."""
    with as_role(database_url, *GRANTS) as database:
        run_sql(database_url, "ALTER TABLE routes ENABLE ROW LEVEL SECURITY")

        [grant] = missing_grants(database)
        assert grant.what == "rows of routes (row security)"
        run_sql(database_url, grant.statement)

        assert missing_grants(database) == []


def test_without_the_right_to_the_schema_that_is_what_is_missing(database_url: str) -> None:
    """Its tables are not seen then, and yet no migration would help."""
    name = urlsplit(database_url).path[1:]
    with as_role(database_url, *(grant for grant in GRANTS if "SCHEMA" not in grant)) as database:
        run_sql(database_url, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")

        [grant] = missing_grants(database)
        assert grant.what == "USAGE on schema public"
        run_sql(database_url, grant.statement)

        assert missing_grants(database) == [], name


@pytest.mark.parametrize("rule", ["SELECT 1", "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"])
def test_a_write_that_is_tried_leaves_nothing_behind(database_url: str, database: Database, rule: str) -> None:
    """With and without the right to temporary tables."""
    name = urlsplit(database_url).path[1:]
    with as_role(database_url, *GRANTS, rule.replace("{database}", name)) as plain:
        health.try_write(plain)
        health.try_write(plain)

    assert rows(database, "SELECT * FROM channel_gates") == []
    assert rows(database, "SELECT relname FROM pg_class WHERE relname = 'publisher_doctor'") == []


def test_a_disk_that_takes_no_more_is_met_by_the_write(database_url: str) -> None:
    """The kernel refuses to let the file grow, as on a full disk: here for this session alone."""
    with closing(Database(database_url, application_name="test", pool_size=1)) as database:
        [[pid]] = database.rows("SELECT pg_backend_pid()")
        # Less than the megabyte that is tried.
        limit_files(pid, "524288")
        with pytest.raises(PublisherError, match="could not extend file"):
            health.try_write(database)


def test_a_session_that_begins_read_only_takes_the_write(database_url: str) -> None:
    """The service's transactions say READ WRITE themselves, and what doctor tries is what they would meet."""
    with closing(Database(database_url, application_name="test", pool_size=1)) as database:
        with database.unit() as connection:
            connection.execute_sql("SET default_transaction_read_only = on")
        health.try_write(database)


def test_the_isolation_that_a_database_sets_is_told(database_url: str) -> None:
    """What the service's own transactions have stands beside it."""
    name = urlsplit(database_url).path[1:]
    run_sql(database_url, f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'repeatable read'")

    with closing(Database(database_url, application_name="test")) as database:
        assert health.read_isolation(database).default == "repeatable read"
    with connected(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("repeatable read",)


def test_a_connection_without_tls_says_so(database: Database) -> None:
    """The tests' own server is on this machine."""
    assert health.read_tls(database).in_use is False
