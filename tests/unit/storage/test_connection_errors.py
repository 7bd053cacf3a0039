"""libpq's texts about connections that were not established, of several attempts, as one line each (R36)."""

import pytest

from storage.connection.errors import addresses, refused_connection


def test_each_address_that_was_tried_is_named() -> None:
    """libpq tries the hosts of a URL in turn: each is told with its cause."""
    text = (
        'connection to server at "one" (10.0.0.1), port 5432 failed: Connection refused\n\tIs the server running?\n'
        'connection to server at "two" (10.0.0.2), port 5433 failed: FATAL:  database "name" does not exist\n'
    )

    first, second = refused_connection(text, "postgresql://one:5432,two:5433/name?sslmode=prefer").split("; ")

    assert first.startswith("connection refused (one:5432, sslmode=prefer): see that PostgreSQL runs there")
    assert second.startswith('database "name" does not exist (two:5433, sslmode=prefer): create this database')


@pytest.mark.parametrize("order", [1, -1])
def test_a_wrong_password_is_not_told_as_a_want_of_tls(order: int) -> None:
    """libpq tries one address with TLS and without it: a line of pg_hba.conf for TLS alone is no fault of the second.

    It does not repeat the place of the first attempt where it connects without blocking.
    """
    failures = [
        'FATAL:  password authentication failed for user "***"\n',
        'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "***", database "name", no encryption\n',
    ][::order]
    text = f'{failures[0]}connection to server at "one" (10.0.0.1), port 5432 failed: {failures[1]}'

    assert refused_connection(text, "postgresql://one/name") == (
        'password authentication failed for user "***" (one:5432, sslmode not set):'
        " correct the user name and password in DATABASE_URL"
    )


def test_the_first_address_is_named_where_libpq_does_not() -> None:
    """Its text about the first of several hosts stands without host and port."""
    text = (
        'Connection refused\n\tIs the server running?\nconnection to server on socket "/x/.s.PGSQL.1" failed: SSL error'
    )

    first, second = refused_connection(text, "postgresql:///name?host=one,/x&port=5432,1").split("; ", 1)

    assert first.startswith("connection refused (one:5432, sslmode not set): ")
    assert second.startswith("SSL error (/x/.s.PGSQL.1, Unix socket): ")


def test_an_ipv6_address_stands_in_brackets() -> None:
    """Its port could not be told from it otherwise."""
    assert addresses("postgresql://[::1]:5433,db2/name") == ["[::1]:5433", "db2:5432"]


@pytest.mark.parametrize(
    "told",
    ["server login has been failing, try again later (server_login_retry)", "pgbouncer cannot connect to server"],
)
def test_a_pooler_without_its_server_is_told_from_another_server_than_postgresql(told: str) -> None:
    """PgBouncer says that its server is away, and closes the connection then."""
    text = f"FATAL:  {told}\nserver closed the connection unexpectedly\n"

    assert refused_connection(text, "postgresql://pooler:6432/name") == (
        "the pooler there does not reach its server (pooler:6432, sslmode not set):"
        " see that PostgreSQL runs behind it, and the pooler's log"
    )
