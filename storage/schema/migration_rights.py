"""Says which right a role lacks to bring the schema up to date, and who has it."""

from storage.database import Database

# The schema of the tables: the one that holds the table of migrations, the search path's first, or public. A schema
# that the role may not use is on no search path, so the table is looked for by its name in all of them.
_FACTS = """/* migration_rights */
WITH place AS (
  SELECT coalesce(
    (SELECT n.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relname = 'schema_migration' AND c.relkind IN ('r', 'p')
     ORDER BY n.nspname IS DISTINCT FROM current_schema() LIMIT 1),
    to_regnamespace(quote_ident(current_schema())),
    to_regnamespace('public')) AS schema
)
SELECT pg_is_in_recovery(), quote_ident(current_user), n.nspname, quote_ident(n.nspname),
       has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE'),
       quote_ident(pg_get_userbyid(c.relowner)), pg_has_role(c.relowner, 'USAGE'),
       has_table_privilege(c.oid, 'SELECT')
FROM place JOIN pg_namespace AS n ON n.oid = place.schema
LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'schema_migration'
"""


def missing_right(database: Database) -> str | None:
    """Returns what keeps this session from migrating and what gives it the right, or None if it lacks none.

    Raises DatabaseUnavailable.
    """
    for standby, role, name, schema, uses, creates, owner, owns, reads in database.rows(_FACTS):
        if standby:
            return "this server is a read-only standby: name the primary in DATABASE_URL"
        if not uses and owner is not None:
            return f"role {role} may not use the schema {name}: GRANT USAGE ON SCHEMA {schema} TO {role}"
        if owner is not None and not owns:
            as_owner = f"run 'publisher migrate' as {owner}, who owns the tables of the schema {name}"
            if not reads:
                return (
                    f"role {role} may not read which migrations are applied: {as_owner},"
                    f" or, if all are, GRANT SELECT ON {schema}.schema_migration TO {role}"
                )
            return f"role {role} may not change the tables: {as_owner}"
        if not creates:
            return (
                f"role {role} may not make tables in the schema {name}: run 'publisher migrate' as a role that may,"
                f" or GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}"
            )
    return None
