"""A role that owns nothing, as careful owners give one to a service."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from tests.conftest import run_sql


@contextmanager
def plain_role(database_url: str, *statements: str) -> Iterator[str]:
    """Makes a role, runs these statements with its name for `{role}`, and yields the database's URL for it."""
    role = f"plain_{urlsplit(database_url).path[-12:]}"
    run_sql(database_url, f"CREATE ROLE {role} LOGIN", *(statement.format(role=role) for statement in statements))
    parts = urlsplit(database_url)
    try:
        yield urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))
    finally:
        run_sql(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
