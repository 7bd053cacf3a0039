"""A role and a Redis user with the rights that `doctor --print-grants` prints, and no other."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.acceptance.outside import Outside
from tests.conftest import connected
from tests.integration.roles import plain_name, plain_role
from tests.processes import run_command
from tests.valkeys import OwnValkey

# What either server says of a right that is missing, in a log or on standard error.
NO = re.compile(r"NOPERM|ermission|\b42501\b")


@contextmanager
def exact_rights(database_url: str, environ: dict[str, str], folder: Path) -> Iterator[Outside]:
    """Gives this environment the URLs of a role and a user that have exactly these rights.

    The Redis is one of its own, with its data in this folder: whom it refused what stands in its ACL LOG.
    Yields both servers as an administrator sees them.
    """
    role = plain_name(database_url)
    (program, *command), sql = _printed(environ, role)
    assert (program, *command[:3]) == ("redis-cli", "ACL", "SETUSER", role)
    nothing_else = ("REVOKE ALL ON SCHEMA public FROM PUBLIC", 'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
    server = OwnValkey(folder)
    try:
        with plain_role(database_url, *nothing_else, sql) as url:
            environ |= {"DATABASE_URL": url, "REDIS_URL": server.url.replace("://", f"://{role}:secret@")}
            with (
                connected(database_url) as connection,
                redis.Redis.from_url(server.url, decode_responses=True) as client,
            ):
                client.execute_command(*command, ">secret")
                yield Outside(connection, client)
    finally:
        server.stop()


def refusals(outside: Outside) -> list[str]:
    """What Redis refused to anyone."""
    return [f"{line['reason']} {line['object']}" for line in outside.redis.acl_log()]


def _printed(environ: dict[str, str], role: str) -> tuple[list[str], str]:
    """What `doctor --print-grants` prints for this role: the words of the Redis command, and the SQL."""
    done = run_command("publisher", "doctor", "--print-grants", "--role", role, environ=environ)
    assert (done.returncode, done.stderr) == (0, "")
    redis_part, _, sql = done.stdout.partition("\n\n")
    return shlex.split(redis_part.replace("\\\n", ""), comments=True), sql
