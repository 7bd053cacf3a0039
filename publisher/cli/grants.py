"""Words the rights that the service needs as lines to paste, for `doctor --print-grants` and the guide."""

import re
import shlex
from collections.abc import Sequence

from publisher.cli.terminal.output import print_json, printable
from publisher.doctor.grants import Grants, RedisGrant
from storage.schema.rights import quoted_name

# Fits a terminal of 80 columns: a line that the terminal breaks is copied with the break.
_WIDTH = 78
_INDENT = "    "
# A word of SQL: quotation marks hold spaces together.
_SQL_WORD = re.compile(r'(?:"(?:[^"]|"")*"|[^ "])+')


def print_grants(grants: Grants) -> None:
    """Prints every server's rights, each under comments that say who runs the lines, and where."""
    to = grants.to
    lines = [
        *(line for grant in grants.redis for line in [*_redis_part(grant, alone=len(grants.redis) == 1), ""]),
        "-- PostgreSQL: in psql, as the owner of the tables, after 'publisher migrate',",
        *_commented(f"in the database {quoted_name(to.database)}. A new role comes first:", "-- "),
        *_commented(f"CREATE ROLE {quoted_name(to.role)} LOGIN PASSWORD '...';"),
        *postgresql_lines(grants),
        *_search_path_lines(grants),
        "-- Whoever runs 'publisher migrate' while there is something to apply owns the",
        "-- tables. To let this role make them, and own them:",
        *_commented(grants.postgresql_migrating),
    ]
    for line in lines:
        print(printable(line))


def print_grants_as_json(grants: Grants) -> None:
    """Prints one object: each Redis user with its ACL rules, and the PostgreSQL role with its statements.

    Those of a Redis that has streams alone stand under its variable.
    """
    first, *own = grants.redis
    print_json(
        {
            "redis": {"user": first.user, "rules": first.rules},
            **({"stream_redis": {of.variable: {"user": of.user, "rules": of.rules} for of in own}} if own else {}),
            "postgresql": {
                "role": grants.to.role,
                "database": grants.to.database,
                "schema": grants.to.schema,
                "statements": grants.postgresql_statements,
                "migrating": grants.postgresql_migrating,
            },
        }
    )


def redis_lines(grant: RedisGrant) -> list[str]:
    """Returns one command for a shell, over several lines."""
    words = ["redis-cli", "ACL", "SETUSER", *map(shlex.quote, [grant.user, *grant.rules])]
    return _folded(words, " \\")


def _redis_part(grant: RedisGrant, *, alone: bool) -> list[str]:
    """Returns the lines of one Redis. alone: there is no other one."""
    where = ["# On every node of the cluster, replicas too:"] if grant.in_cluster else []
    return [
        *([] if alone else [f"# {grant.variable}"]),
        "# Redis: in a shell, as an administrator (redis-cli -u URL ...).",
        *where,
        "# A new user needs a password, too:",
        f"#   redis-cli ACL SETUSER {shlex.quote(grant.user)} '>...'",
        *redis_lines(grant),
        "# Redis forgets both at a restart, unless they are saved:",
        "#   redis-cli CONFIG REWRITE, or redis-cli ACL SAVE where it has an aclfile",
    ]


def postgresql_lines(grants: Grants) -> list[str]:
    """Returns statements for psql, each over as many lines as it needs."""
    return [line for text in grants.postgresql_statements for line in _folded(_SQL_WORD.findall(text), "")]


def _search_path_lines(grants: Grants) -> list[str]:
    """Returns a comment for a schema in which PostgreSQL does not look by itself."""
    if grants.to.schema == "public":
        return []
    role, database, schema = map(quoted_name, (grants.to.role, grants.to.database, grants.to.schema))
    return [
        "-- The search path must lead to the tables. DATABASE_URL may set it, or:",
        *_commented(f"ALTER ROLE {role} IN DATABASE {database} SET search_path TO {schema};"),
    ]


def _commented(sql: str, start: str = "--   ") -> list[str]:
    """Returns a statement as comments. Each begins with `start`, and goes without it when the statement is pasted."""
    return [f"{start}{line}" for line in _folded(_SQL_WORD.findall(sql), "", room=_WIDTH - len(start))]


def _folded(words: Sequence[str], end: str, room: int = _WIDTH) -> list[str]:
    """Returns the words as lines of at most `room` characters. end: closes each line but the last."""
    lines = [words[0]]
    for word in words[1:]:
        if len(f"{lines[-1]} {word}{end}") > room:
            lines.append(_INDENT + word)
        else:
            lines[-1] += f" {word}"
    return [*(line + end for line in lines[:-1]), lines[-1]]
