"""A role that owns nothing, as careful owners give one to a service."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from storage.schema.rights import Grantee, grant_statements
from tests.conftest import run_sql

# Every right of the service, for `plain_role`.
GRANTS = grant_statements(Grantee("{role}", "{database}", "public"))


def plain_name(database_url: str) -> str:
    """The name of the role that `plain_role` makes beside this database."""
    return f"plain_{urlsplit(database_url).path[-12:]}"


@contextmanager
def plain_role(database_url: str, *statements: str) -> Iterator[str]:
    """Makes a role, runs these statements with its name for `{role}`, and yields the database's URL for it.

    `{database}` in a statement is the name of this database.
    """
    role, parts = plain_name(database_url), urlsplit(database_url)
    run_sql(
        database_url,
        f"CREATE ROLE {role} LOGIN",
        *(text.format(role=role, database=parts.path[1:]) for text in statements),
    )
    try:
        yield urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))
    finally:
        run_sql(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
