"""Publishing while PostgreSQL refuses for reasons that no route is to blame for (R19a)."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from publisher.domain.errors import RouteError
from publisher.streams.outbound import OutboundStreams
from storage.database import Database, Row
from tests.integration.publishers import publisher
from tests.integration.rows import all_routes, due_routes, execute


class CountingDatabase(Database):
    """Keeps every statement that it was asked for."""

    statements: Sequence[str] = ()

    def rows(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> list[Row]:
        self.statements = [*self.statements, sql]
        return super().rows(sql, parameters)


@pytest.fixture
def counting(database_url: str) -> Iterator[CountingDatabase]:
    """This test's database, which counts what it is asked."""
    with closing(CountingDatabase(database_url, application_name="test")) as database:
        yield database


def test_a_refusal_of_everything_is_no_statement_a_route(counting: CountingDatabase, streams: OutboundStreams) -> None:
    """Where PostgreSQL refuses whatever the route, none is tried alone, none is blamed, and all are free (R19a)."""
    due_routes(counting, 20)
    execute(
        counting,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'no right' USING ERRCODE = '42501'; END $$",
    )
    execute(
        counting,
        "CREATE TRIGGER refuse BEFORE UPDATE OF published_at, attempt_count ON routes EXECUTE FUNCTION refuse()",
    )
    counting.statements = ()

    with pytest.raises(RouteError, match="SQLSTATE 42501"):
        publisher(counting, streams).publish_due("email")

    assert len([sql for sql in counting.statements if "/* record_" in sql]) <= 4
    assert {(r["status"], r["attempt_count"], r["lease_token"]) for r in all_routes(counting)} == {("pending", 0, None)}
