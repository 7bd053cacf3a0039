"""The distinct values of an index's first column, found without reading the rows in between."""


def distinct(name: str, column: str, table: str, condition: str = "true") -> str:
    """Returns a CTE for WITH RECURSIVE: table `name` with one row for each value of the column, NULL at its end.

    Each value costs one step into the index (PostgreSQL wiki, "Loose indexscan"), and no list of values is needed.
    condition: the predicate of a partial index that begins with the column.
    """
    return f"""{name} ({column}) AS (
    (SELECT {column} FROM {table} WHERE {condition} ORDER BY {column} LIMIT 1)
    UNION ALL
    SELECT (SELECT t.{column} FROM {table} AS t WHERE {condition} AND t.{column} > {name}.{column}
            ORDER BY t.{column} LIMIT 1)
    FROM {name} WHERE {name}.{column} IS NOT NULL
)"""
