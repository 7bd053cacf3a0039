"""Lists every right that the service needs of its PostgreSQL role: for `doctor`, the guide and the tests.

These are rights to rows alone. The role that runs `publisher migrate` needs more: it owns the tables. Identity columns
need no right to their sequences, and foreign keys are checked with the rights of the tables' owner.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg2.extensions

from storage.database import Database


@dataclass(frozen=True, slots=True)
class Grant:
    """A right that PostgreSQL does not give to this role.

    what: the verb and the table.
    statement: the GRANT that gives the right.
    """

    what: str
    statement: str


@dataclass(frozen=True, slots=True)
class Grantee:
    """Who needs the rights, and where.

    role: the name of the role, or blank if the URL names none.
    schema: the schema in which the tables are.
    """

    role: str
    database: str
    schema: str


# What a URL's options set as the first schema of the search path.
_SEARCH_PATH = re.compile(r"search_path\s*=\s*\"?([^\s,\"]+)")
# Table -> what the service does with its rows. FOR UPDATE needs UPDATE.
NEEDED: Mapping[str, Sequence[str]] = {
    "notifications": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "routes": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "route_failures": ("SELECT", "INSERT"),
    "dead_letters": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "malformed_intents": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "pruned_notifications": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "channel_gates": ("SELECT", "INSERT", "UPDATE"),
    "operator_actions": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "stream_audits": ("SELECT", "INSERT", "UPDATE"),
    "intents_marks": ("SELECT", "INSERT", "UPDATE"),
    "intents_replays": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "intents_losses": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "cancellations": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "holds": ("SELECT", "INSERT", "DELETE"),
    "channel_limits": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "delivery_events": ("SELECT", "INSERT"),
    "mail_deliveries": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "mail_suppressions": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "mail_reference_key": ("SELECT", "INSERT"),
    "door_tokens": ("SELECT", "INSERT", "UPDATE"),
    "schema_migration": ("SELECT",),
}

# Tables are looked for by name in every schema: one without the right to its schema is on no search path. A table that
# is nowhere is a matter of the schema's check.
_MISSING = """/* missing_grants */
SELECT needed.name, needed.verb, quote_ident(n.nspname), has_schema_privilege(n.oid, 'USAGE'), quote_ident(current_user)
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS needed (name, verb, place)
JOIN pg_class AS c ON c.relname = needed.name AND c.relkind IN ('r', 'p')
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE coalesce(c.oid = to_regclass(quote_ident(needed.name)), NOT has_schema_privilege(n.oid, 'USAGE'))
  AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, needed.verb))
ORDER BY needed.place
"""


# Row security that is on, and gives this role no row: a policy that lets some through is its owner's matter.
_HIDDEN = """/* hidden_rows */
SELECT needed.name, quote_ident(current_user)
FROM unnest(%s::text[]) WITH ORDINALITY AS needed (name, place)
JOIN pg_class AS c ON c.oid = to_regclass(quote_ident(needed.name))
WHERE row_security_active(c.oid)
  AND NOT EXISTS (
    SELECT FROM pg_policy AS p
    WHERE p.polrelid = c.oid AND p.polpermissive
      AND EXISTS (SELECT FROM unnest(p.polroles) AS r WHERE r = 0 OR pg_has_role(r, 'USAGE'))
  )
ORDER BY needed.place
"""


def missing_grants(database: Database) -> list[Grant]:
    """Returns the rights that this role lacks, each with the statement that gives it.

    Where row security is on, the statement makes a policy.
    """
    pairs = [(table, verb) for table, needed in NEEDED.items() for verb in needed]
    grants: dict[Grant, None] = {}
    names, verbs = [table for table, _ in pairs], [verb for _, verb in pairs]
    for table, verb, schema, may_enter, role in database.rows(_MISSING, [names, verbs]):
        if may_enter:
            grants[Grant(f"{verb} on {table}", f"GRANT {verb} ON {schema}.{table} TO {role}")] = None
        else:
            grants[Grant(f"USAGE on schema {schema}", f"GRANT USAGE ON SCHEMA {schema} TO {role}")] = None
    for table, role in database.rows(_HIDDEN, [list(NEEDED)]):
        policy = f"CREATE POLICY publisher ON {table} TO {role} USING (true)"
        grants[Grant(f"rows of {table} (row security)", policy)] = None
    return list(grants)


def grantee(url: str) -> Grantee:
    """Reads from a connection URL that libpq understands who connects, and where. Asks no server."""
    found = psycopg2.extensions.parse_dsn(url)
    role = found.get("user", "")
    path = _SEARCH_PATH.search(found.get("options", ""))
    schema = path[1].replace("$user", role or "public") if path else "public"
    return Grantee(role, found.get("dbname", role), schema)


def grant_statements(to: Grantee) -> list[str]:
    """Returns the statements that give a role every right of the service, and no other: one a set of equal rights.

    Each names the schema, so that it means the same whatever the search path of whoever runs it.
    """
    role, schema = quoted_name(to.role), quoted_name(to.schema)
    together: dict[Sequence[str], list[str]] = {}
    for table, verbs in NEEDED.items():
        together.setdefault(verbs, []).append(f"{schema}.{table}")
    return [
        f"GRANT CONNECT ON DATABASE {quoted_name(to.database)} TO {role};",
        f"GRANT USAGE ON SCHEMA {schema} TO {role};",
        *(f"GRANT {', '.join(verbs)} ON {', '.join(tables)} TO {role};" for verbs, tables in together.items()),
    ]


def migrating_statement(to: Grantee) -> str:
    """Returns the statement that lets a role make the tables, which it then owns: `publisher migrate` does that."""
    return f"GRANT USAGE, CREATE ON SCHEMA {quoted_name(to.schema)} TO {quoted_name(to.role)};"


def quoted_name(name: str) -> str:
    """Returns the name as SQL takes it: in quotation marks, since a name that people choose may be a keyword."""
    return name if name == "public" else '"' + name.replace('"', '""') + '"'
