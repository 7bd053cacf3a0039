"""The name of a SQL statement, and the expression for the present instant."""

# The present by the database's clock, in whole milliseconds (R2, R5). It stays the same within a statement.
NOW = "date_trunc('milliseconds', statement_timestamp())"


def named(name: str, sql: str) -> str:
    """Returns the statement with its name in a comment in front: `/* claim_due */ WITH …`.

    PostgreSQL's logs and pg_stat_activity show the comment, and tests recognise the statement by it.
    """
    return f"/* {name} */ {sql.strip()}"
