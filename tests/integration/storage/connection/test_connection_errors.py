"""Why PostgreSQL cannot be reached: host, port, sslmode, cause and remedy, each with a server that causes it (R36)."""

import socket
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from publisher.domain.errors import DatabaseUnavailable
from publisher.local.embedded_postgresql import postgresql
from storage.database import Database
from tests.conftest import connected, run_sql, with_database
from tests.processes import free_port
from tests.tls_fronts import Authority, front

PATIENCE = timedelta(seconds=10)
SECRETS = ("hush-5ecret", "secret-ann")


def said(url: str, patience: timedelta = PATIENCE) -> str:
    """The error of a first statement over a new connection."""
    database = Database(url, application_name="test", connect_timeout=patience)
    with pytest.raises(DatabaseUnavailable) as raised:
        database.rows("SELECT 1")
    error = str(raised.value)
    assert "\n" not in error
    assert not [secret for secret in SECRETS if secret in error]
    return error


def path_of(url: str) -> str:
    """The socket of the server."""
    return f"{parse_qs(urlsplit(url).query)['host'][0]}/.s.PGSQL.5432"


@pytest.fixture(scope="module")
def strict() -> Iterator[str]:
    """A PostgreSQL of these tests' own that lets in whom pg_hba.conf names. Yields its URL."""
    with tempfile.TemporaryDirectory(prefix="publisher-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with postgresql(Path(folder) / "postgresql", []) as url:
            run_sql(
                url,
                "CREATE ROLE \"secret-ann\" LOGIN PASSWORD 'right'",
                "CREATE ROLE stranger LOGIN",
                "CREATE ROLE nobody",
                "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0",
            )
            with connected(url) as connection, connection.cursor() as cursor:
                cursor.execute("SHOW hba_file")
                hba = Path(cursor.fetchone()[0])
            hba.write_text(
                'local all "secret-ann" scram-sha-256\nlocal all postgres,nobody,crowd trust\nlocal all missing trust\n'
            )
            run_sql(url, "SELECT pg_reload_conf()")
            yield url


def as_user(url: str, user: str) -> str:
    """The URL with this user, and a password if one follows a colon."""
    return url.replace("://postgres@", f"://{user}@")


def test_a_port_without_a_server_is_named() -> None:
    """The host, the port and the sslmode; neither user nor password."""
    port = free_port()

    assert said(f"postgresql://secret-ann:hush-5ecret@127.0.0.1:{port}/name?sslmode=require") == (
        f"PostgreSQL is not available: connection refused (127.0.0.1:{port}, sslmode=require):"
        " see that PostgreSQL runs there, or correct the host and port in DATABASE_URL"
    )


def test_an_unknown_host_name_is_named() -> None:
    """A name that no name server knows, and the port that is the default."""
    error = said("postgresql://no-such-host.invalid/name")

    assert "the host name is unknown (no-such-host.invalid:5432, sslmode not set): correct it in DATABASE_URL" in error


def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The path stands in the place of host and port."""
    error = said(f"postgresql:///name?host={tmp_path}")

    assert f"there is no such socket ({tmp_path}/.s.PGSQL.5432, Unix socket)" in error


def test_a_server_without_tls_is_named(database_url: str) -> None:
    """sslmode=require to a PostgreSQL that has ssl off; with sslmode=prefer the same server is used."""
    with front(path_of(database_url), None) as port:
        url = urlsplit(database_url)._replace(netloc=f"postgres@127.0.0.1:{port}", query="").geturl()
        error = said(f"{url}?sslmode=require")
        Database(f"{url}?sslmode=prefer", application_name="test").rows("SELECT 1")

    assert f"does not speak TLS, and DATABASE_URL demands it (127.0.0.1:{port}, sslmode=require)" in error
    assert "turn ssl on in PostgreSQL, or write sslmode=prefer into DATABASE_URL" in error


def test_a_certificate_that_is_not_trusted_is_named(database_url: str, tmp_path: Path) -> None:
    """The authority's file is to be named, and helps."""
    authority = Authority(tmp_path)
    with front(path_of(database_url), authority.context("127.0.0.1"), asked=True) as port:
        url = urlsplit(database_url)._replace(netloc=f"postgres@127.0.0.1:{port}", query="").geturl()
        stranger = Authority(_folder(tmp_path / "another"))
        error = said(f"{url}?sslmode=verify-full&sslrootcert={stranger.file}")
        Database(f"{url}?sslmode=verify-full&sslrootcert={authority.file}", application_name="test").rows("SELECT 1")
        Database(f"{url}?sslmode=require", application_name="test").rows("SELECT 1")

    assert f"the certificate of PostgreSQL is not trusted (127.0.0.1:{port}, sslmode=verify-full)" in error
    assert "name the file of its authority by sslrootcert in DATABASE_URL" in error


def test_a_file_of_the_authority_that_is_not_there_is_named(database_url: str, tmp_path: Path) -> None:
    """libpq's own advice, several sentences of it, is not repeated."""
    with front(path_of(database_url), Authority(tmp_path).context("127.0.0.1"), asked=True) as port:
        error = said(f"postgresql://127.0.0.1:{port}/name?sslmode=verify-full&sslrootcert={tmp_path}/none.pem")

    assert (
        f"there is no file of the authority that PostgreSQL's certificate is to be verified by (127.0.0.1:{port}, ss"
        in error
    )
    assert error.endswith(
        ": name that file by sslrootcert in DATABASE_URL, or write sslmode=require, which verifies no certificate"
    )


def test_a_certificate_for_another_name_is_named(database_url: str, tmp_path: Path) -> None:
    """A certificate that is trusted and not this host's."""
    authority = Authority(tmp_path)
    with front(path_of(database_url), authority.context("db.example"), asked=True) as port:
        url = urlsplit(database_url)._replace(netloc=f"postgres@127.0.0.1:{port}", query="").geturl()
        error = said(f"{url}?sslmode=verify-full&sslrootcert={authority.file}")
        Database(f"{url}?sslmode=verify-ca&sslrootcert={authority.file}", application_name="test").rows("SELECT 1")

    assert 'does not match host name "127.0.0.1"' in error
    assert "or sslmode=verify-ca, which does not compare it" in error


def test_a_server_that_demands_tls_is_named(strict: str) -> None:
    """pg_hba.conf has no line for connections without TLS: the remedy is sslmode=require, or a line."""
    error = said(as_user(strict, "stranger"))

    assert 'no pg_hba.conf entry for host "[local]"' in error
    assert "write sslmode=require into DATABASE_URL, or let this host, user and database in by a line" in error


def test_a_wrong_password_is_named(strict: str) -> None:
    """The server's own words, without the user's name."""
    error = said(as_user(strict, "secret-ann:hush-5ecret"))

    assert 'password authentication failed for user "***"' in error
    assert "correct the user name and password in DATABASE_URL" in error


def test_a_missing_password_is_named(strict: str) -> None:
    """The server demands a password, and the URL has none."""
    assert "the server demands a password (" in said(as_user(strict, "secret-ann"))


@pytest.mark.parametrize(
    ("user", "cause", "advice"),
    [
        ("missing", 'role "***" does not exist', "create this role"),
        ("nobody", 'role "***" is not permitted to log in', "ALTER ROLE … LOGIN"),
        ("crowd", 'too many connections for role "***"', "run fewer processes or threads"),
    ],
)
def test_a_role_that_may_not_log_in_is_named(strict: str, user: str, cause: str, advice: str) -> None:
    """The server's own words, and a remedy for each."""
    error = said(as_user(strict, user))

    assert f"PostgreSQL is not available: {cause} (" in error
    assert advice in error


def test_a_database_that_does_not_exist_is_named(strict: str) -> None:
    """Its name is a part of the URL that may be shown."""
    error = said(with_database(strict, "nowhere"))

    assert 'database "nowhere" does not exist (' in error
    assert "create this database, or correct its name at the end of DATABASE_URL" in error


def test_the_port_of_redis_is_no_port_of_postgresql(redis_url: str) -> None:
    """Redis waits for the end of a line that never comes."""
    parts = urlsplit(redis_url)
    error = said(f"postgresql://127.0.0.1:{parts.port}/name", timedelta(milliseconds=300))

    assert f"timeout: PostgreSQL did not answer within 0.3 s (127.0.0.1:{parts.port}, sslmode not set)" in error
    assert "are those of PostgreSQL, and not of another server" in error


def test_a_server_that_is_silent_is_named() -> None:
    """A host that takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        error = said(f"postgresql://127.0.0.1:{port}/name?sslmode=disable", timedelta(milliseconds=300))

    assert f"did not answer within 0.3 s (127.0.0.1:{port}, sslmode=disable): it is stalled or out of reach" in error


def test_a_connection_that_is_reset_is_named(database_url: str) -> None:
    """An error without an answer of the server, over an established connection, names the server as well."""
    with front(path_of(database_url), None) as port:
        url = urlsplit(database_url)._replace(netloc=f"postgres@127.0.0.1:{port}", query="").geturl()
        database = Database(url, application_name="test", statement_timeout=timedelta(milliseconds=300))
        with pytest.raises(DatabaseUnavailable, match=rf"\(127\.0\.0\.1:{port}, sslmode not set\)$"):
            _read_beyond_the_deadline(database)


def _read_beyond_the_deadline(database: Database) -> None:
    with database.unit() as connection:
        # The server is stopped by no statement timeout: the client's own deadline ends the wait.
        connection.execute_sql("BEGIN; SET LOCAL statement_timeout = 0; SELECT pg_sleep(5)")


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
