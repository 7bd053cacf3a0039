"""Waiting for the schema, by what is read."""

from collections.abc import Sequence

from publisher.domain.errors import DatabaseUnavailable
from publisher.process.schema_wait import wait_for_schema


def test_the_wait_ends_with_the_last_pending_migration() -> None:
    """It pauses once for each read that found a pending migration."""
    reads = [["0001", "0002"], ["0002"], []]
    pauses: list[float] = []

    wait_for_schema(lambda: reads.pop(0), lambda seconds: bool(pauses.append(seconds)))

    assert (reads, len(pauses)) == ([], 2)


def test_the_wait_ends_with_a_process_that_is_told_to_stop() -> None:
    """However much is pending then (R17)."""
    wait_for_schema(lambda: ["0001"], lambda _: True)


def test_a_schema_that_cannot_be_read_is_not_waited_for() -> None:
    """The work itself waits for PostgreSQL, and says so (R19a)."""

    def read() -> Sequence[str]:
        raise DatabaseUnavailable("away")

    wait_for_schema(read, lambda _: False)
