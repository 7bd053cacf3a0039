"""Makes millions of published routes within minutes: the indexes are built once, when all the rows are there."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.stage import Stage, seed
from tests.conftest import run_sql

_TABLES = ("notifications", "routes")
_FOREIGN_KEYS = """
SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND (conrelid::regclass::text = ANY(%(tables)s) OR confrelid::regclass::text = ANY(%(tables)s))
"""
# `grown`: an index by a uuid is a tree that grew page by page in no order, so its pages are seven tenths full.
_INDEXES = """
SELECT i.relname, t.relname, pg_get_constraintdef(c.oid), pg_get_indexdef(i.oid),
       format_type(a.atttypid, NULL) = 'uuid' AS grown
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_attribute a ON a.attrelid = i.oid AND a.attnum = 1
LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.contype IN ('p', 'u')
WHERE t.relname = ANY(%(tables)s)
ORDER BY x.indisprimary DESC, i.relname
"""
_FULL = " WITH (fillfactor = 70)"
# For the session that builds an index: in memory, and by several processes.
_FAST = "SET maintenance_work_mem = '1GB'; SET max_parallel_maintenance_workers = 2; "


def seed_millions(on: Stage, routes: int) -> None:
    """Makes so many published routes of half as many notifications."""
    with _without_indexes(on):
        seed(on, routes, status="published", series="old")
    run_sql(on.environ["DATABASE_URL"], *(f"VACUUM ANALYZE {table}" for table in _TABLES), "CHECKPOINT")


@contextmanager
def _without_indexes(on: Stage) -> Iterator[None]:
    """Drops every index and key of the tables, and makes them again at the end, as they were."""
    tables = {"tables": list(_TABLES)}
    foreign, indexes = on.database.rows(_FOREIGN_KEYS, tables), on.database.rows(_INDEXES, tables)
    url = on.environ["DATABASE_URL"]
    run_sql(url, *(f"ALTER TABLE {table} DROP CONSTRAINT {name}" for name, table, _ in foreign))
    for name, table, constraint, _, _ in indexes:
        run_sql(url, f"ALTER TABLE {table} DROP CONSTRAINT {name}" if constraint else f"DROP INDEX {name}")
    yield
    for name, table, constraint, definition, grown in indexes:
        full = _FULL if grown and " WHERE " not in definition else ""
        made = f"ALTER TABLE {table} ADD CONSTRAINT {name} {constraint}" if constraint else definition
        run_sql(url, f"{_FAST}{made}{full}")
    run_sql(url, *(f"ALTER TABLE {table} ADD CONSTRAINT {name} {made}" for name, table, made in foreign))
