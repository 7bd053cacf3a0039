"""A gate in PostgreSQL at which workers wait between the append of their commands and its record."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.acceptance.outside import Outside
from tests.waiting import wait_until

_GATE = """
CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END $$;
CREATE TRIGGER gate BEFORE UPDATE OF published_at ON routes FOR EACH STATEMENT EXECUTE FUNCTION wait_at_gate()
"""
_WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"


class Gate:
    """Closed to everyone but the session of `outside`, which may record what it likes."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    def wait_for_someone(self) -> None:
        """Returns once a worker has appended and stands here."""
        wait_until(lambda: self._outside.rows(_WAITING))

    def send_away(self) -> None:
        """Ends the sessions that wait: what they would have recorded is not."""
        self._outside.rows(f"SELECT pg_terminate_backend(pid) FROM ({_WAITING}) AS waiting")


@contextmanager
def closed_gate(outside: Outside) -> Iterator[Gate]:
    """The gate, closed until the end of the block."""
    outside.rows(_GATE)
    outside.rows("SELECT pg_advisory_lock(7)")
    try:
        yield Gate(outside)
    finally:
        outside.rows("SELECT pg_advisory_unlock(7)")
