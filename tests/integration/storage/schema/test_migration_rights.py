"""`migrate` as a role that does not own the tables: done with nothing to apply, else an error that names the right."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from publisher.domain.errors import DatabaseMisconfigured
from storage.database import Database
from storage.schema import schema
from storage.schema.schema import migrate, newest_migration, pending_migrations
from tests.conftest import run_sql
from tests.integration.roles import GRANTS, plain_name, plain_role
from tests.poolers import PGBOUNCER, pooler

AsRole = Callable[..., Database]
# What older servers and careless owners leave to everyone.
CLOSED = "REVOKE ALL ON SCHEMA public FROM PUBLIC"
NEXT = "9001_next"


@pytest.fixture
def as_role(database_url: str) -> Iterator[AsRole]:
    """Opens this test's database as a role, after these statements about it."""
    with ExitStack() as stack:

        def opened(*statements: str, url: str = database_url) -> Database:
            as_plain = stack.enter_context(plain_role(url, *statements))
            return stack.enter_context(closing(Database(as_plain, application_name="migrate", statement_timeout=None)))

        yield opened


@pytest.fixture
def next_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A release with one migration more, which changes a table after it has made another."""
    for migration in schema.MIGRATIONS.glob("[0-9]*.py"):
        (tmp_path / migration.name).symlink_to(migration)
    (tmp_path / f"{NEXT}.py").write_text(
        "def up(migrator, db):\n"
        "    db.execute_sql('CREATE TABLE more (id int)')\n"
        "    db.execute_sql('ALTER TABLE routes ADD COLUMN more text')\n"
    )
    monkeypatch.setattr(schema, "MIGRATIONS", tmp_path)


def test_nothing_to_apply_needs_no_right_but_to_read(as_role: AsRole, database_url: str) -> None:
    """A release phase as the service's own role goes through, while a session holds every lock there is to wait for."""
    database = as_role(*GRANTS, CLOSED)
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (schema._LOCK,))
        cursor.execute("LOCK TABLE routes IN ACCESS EXCLUSIVE MODE")

        assert migrate(database) == []

    assert newest_migration(database) == max(path.stem for path in schema.MIGRATIONS.glob("[0-9]*.py"))


def test_something_to_apply_names_the_owner_and_changes_nothing(
    as_role: AsRole, next_release: None, database_url: str
) -> None:
    """With rights to rows alone."""
    database = as_role(*GRANTS, CLOSED)
    role = plain_name(database_url)

    with pytest.raises(DatabaseMisconfigured) as refused:
        migrate(database)

    owner = urlsplit(database_url).username
    assert str(refused.value) == (
        f"the schema was not migrated: role {role} may not change the tables: run 'publisher migrate' as {owner},"
        " who owns the tables of the schema public"
    )
    assert pending_migrations(database) == [NEXT]


def test_a_role_that_may_make_tables_and_owns_none_leaves_nothing_half_applied(
    as_role: AsRole, next_release: None
) -> None:
    """The first statement of the migration succeeds, the second does not: neither stays."""
    database = as_role(*GRANTS, "GRANT CREATE ON SCHEMA public TO {role}")

    with pytest.raises(DatabaseMisconfigured, match="may not change the tables: run 'publisher migrate' as"):
        migrate(database)

    assert database.rows("SELECT to_regclass('more')") == [(None,)]
    assert pending_migrations(database) == [NEXT]


def test_a_role_that_may_not_use_the_schema_is_told_so(as_role: AsRole, database_url: str) -> None:
    """Its tables are not seen then, and are no less there."""
    database = as_role(CLOSED, *(grant for grant in GRANTS if "SCHEMA" not in grant))
    grant = f"GRANT USAGE ON SCHEMA public TO {plain_name(database_url)}"

    with pytest.raises(DatabaseMisconfigured, match=f"may not use the schema public: {grant}$"):
        migrate(database)

    run_sql(database_url, grant)
    assert migrate(database) == []


def test_a_role_that_may_not_read_the_migrations_is_told_so(as_role: AsRole, database_url: str) -> None:
    """What there is to apply is not known then."""
    database = as_role(CLOSED, *(grant for grant in GRANTS if "schema_migration" not in grant))
    grant = f"GRANT SELECT ON public.schema_migration TO {plain_name(database_url)}"

    with pytest.raises(DatabaseMisconfigured, match=f"may not read which migrations are applied: .*{grant}$"):
        migrate(database)

    run_sql(database_url, grant)
    assert migrate(database) == []


def test_an_empty_database_names_the_right_to_make_tables(
    as_role: AsRole, create_database: Callable[[str], str]
) -> None:
    """With it the role makes the tables, and owns them."""
    empty = create_database("template1")
    database = as_role(CLOSED, "GRANT USAGE ON SCHEMA public TO {role}", url=empty)
    grant = f"GRANT USAGE, CREATE ON SCHEMA public TO {plain_name(empty)}"

    with pytest.raises(DatabaseMisconfigured, match=f"may not make tables in the schema public: .*{grant}$"):
        migrate(database)

    run_sql(empty, grant)
    assert migrate(database)
    assert migrate(database) == []


@pytest.mark.skipif(PGBOUNCER is None, reason="needs pgbouncer")
def test_behind_a_pooler_it_is_the_same(
    database_url: str, create_database: Callable[[str], str], tmp_path: Path
) -> None:
    """PgBouncer in transaction mode with a single connection: the owner applies, the service's role finds it done."""
    empty = create_database("template1")
    (tmp_path / "owner").mkdir()
    with (
        pooler(tmp_path / "owner", empty, 2) as url,
        closing(Database(url, application_name="migrate", statement_timeout=None)) as owner,
    ):
        assert migrate(owner)
        assert migrate(owner) == []
    (tmp_path / "plain").mkdir()
    with (
        plain_role(database_url, *GRANTS, CLOSED) as plain,
        pooler(tmp_path / "plain", plain, 1) as url,
        closing(Database(url, application_name="migrate", statement_timeout=None)) as database,
    ):
        assert migrate(database) == []
