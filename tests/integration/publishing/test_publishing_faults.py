"""PostgreSQL failing in the middle of an attempt, and damage that cannot happen (R7, R10, R11, R12)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import count
from typing import Any

import pytest
import redis

from publisher.domain.errors import DatabaseUnavailable, RouteError, SchemaOutdated
from publisher.process.outages import Server, server_of
from publisher.process.telemetry import Telemetry
from publisher.streams.outbound import OutboundStreams
from storage.database import Database, Row
from storage.outcomes import recording
from tests.integration.publishers import commands, counters, logged, publisher
from tests.integration.rows import all_routes, change, due_routes, execute, expire_leases, make_due, one_route

PUBLISHED, FAILED, RELEASED = "/* record_published */", "/* record_rescheduled */", "/* release */"


def away(*statements: str, after: int = 0, times: int = 1000) -> Callable[[str], None]:
    """A server that does not answer these statements, so many times once it has answered a few."""
    number = count()

    def fault(sql: str) -> None:
        if any(statement in sql for statement in statements) and after <= next(number) < after + times:
            raise DatabaseUnavailable("no answer")

    return fault


class FaultyDatabase(Database):
    """Asks `fault`, which may raise, before each statement."""

    fault = staticmethod(away())

    def rows(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> list[Row]:
        self.fault(sql)
        return super().rows(sql, parameters)


@pytest.fixture
def faulty(database_url: str) -> Iterator[FaultyDatabase]:
    """This test's database, to be made to fail."""
    with closing(FaultyDatabase(database_url, application_name="test")) as database:
        yield database


def refuse(database: Database, condition: str) -> None:
    """From now on PostgreSQL refuses every route of which this is true."""
    execute(database, f"ALTER TABLE routes ADD CONSTRAINT broken CHECK (NOT ({condition}))")


def statuses(database: Database) -> list[str]:
    return [row["status"] for row in all_routes(database)]


def test_a_route_whose_publication_is_refused_fails_alone(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """If PostgreSQL refuses to record a route as published, that one failed, the others are published (R7, R11)."""
    _, bad, _ = due_routes(database, 3)
    refuse(database, f"status = 'published' AND id = {bad}")

    report = publisher(database, streams).publish_due("email")

    row = one_route(database, bad)
    assert (report.published, [id_ for id_, _ in report.rescheduled]) == (2, [bad])
    assert statuses(database) == ["published", "failed", "published"]
    assert (row["attempt_count"], row["last_failure_classification"]) == (1, "mail_stream_publish_failed")
    assert row["last_failure_message"].startswith("the command was appended, but recording it failed")
    assert "broken" in row["last_failure_message"]


def test_a_command_whose_record_was_refused_stands_once(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """The next attempt finds the command that stands already, and records it without a second one (R7, R12)."""
    [route] = due_routes(database, 1)
    refuse(database, "status = 'published'")
    worker = publisher(database, streams)
    worker.publish_due("email")
    [entry_id] = commands(redis_client)
    execute(database, "ALTER TABLE routes DROP CONSTRAINT broken")
    make_due(database)

    assert worker.publish_due("email").published == 1

    assert list(commands(redis_client)) == [entry_id]
    assert one_route(database, route)["stream_entry_id"] == entry_id


def test_a_record_that_is_not_answered_is_made_again(faulty: FaultyDatabase, streams: OutboundStreams) -> None:
    """A publication that got no answer once is recorded at the second try (R8)."""
    due_routes(faulty, 2)
    faulty.fault = away(PUBLISHED, times=1)

    assert publisher(faulty, streams).publish_due("email").published == 2

    assert statuses(faulty) == ["published", "published"]


def test_a_record_whose_answer_is_lost_stands(
    database: Database, streams: OutboundStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publication that was recorded, but not answered, stays recorded: the second try is harmless (R8)."""
    due_routes(database, 2)
    complete, lost = recording.complete, iter([True])

    def lose_the_first_answer(*arguments: Any) -> Any:
        recorded = complete(*arguments)
        if next(lost, False):
            raise DatabaseUnavailable("the answer was lost")
        return recorded

    monkeypatch.setattr(recording, "complete", lose_the_first_answer)

    report = publisher(database, streams).publish_due("email")

    assert statuses(database) == ["published", "published"]
    assert (report.rescheduled, report.dead_lettered) == ([], [])


def test_a_publication_that_is_never_answered_is_a_failed_attempt(
    faulty: FaultyDatabase, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """If publication cannot be recorded, but failure can, the attempt failed; the next one finds its command (R7)."""
    due_routes(faulty, 2)
    faulty.fault = away(PUBLISHED)
    worker = publisher(faulty, streams)

    assert [wait.total_seconds() for _, wait in worker.publish_due("email").rescheduled] == [1, 1]

    assert {r["last_failure_classification"] for r in all_routes(faulty)} == {"mail_stream_publish_failed"}
    faulty.fault = away()
    make_due(faulty)
    assert worker.publish_due("email").published == 2
    assert len(commands(redis_client)) == 2


def test_what_was_recorded_before_postgresql_went_away_is_published(
    faulty: FaultyDatabase, streams: OutboundStreams
) -> None:
    """When a batch is recorded one by one and PostgreSQL goes away on the way, those that are recorded are published
    and only the others failed (R8, R11)."""
    first, second, third = due_routes(faulty, 3)
    telemetry = Telemetry()
    refuse(faulty, f"status = 'published' AND id = {second}")
    # The whole batch is answered, and refused; then the first route by itself.
    faulty.fault = away(PUBLISHED, after=2)

    report = publisher(faulty, streams, telemetry=telemetry).publish_due("email")

    assert statuses(faulty) == ["published", "failed", "failed"]
    assert (report.published, {id_ for id_, _ in report.rescheduled}) == (1, {second, third})
    assert one_route(faulty, first)["attempt_count"] == 0
    assert counters(telemetry)["route_retries_total", "email", "game.turn.ready"] == 2


def test_with_postgresql_gone_after_the_append_nothing_is_lost(
    faulty: FaultyDatabase, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """If PostgreSQL is away for the rest of the attempt, the error names the routes; once their leases have expired
    they are published with the commands that stand (R5, R10, R12)."""
    due_routes(faulty, 2)
    faulty.fault = away(PUBLISHED, FAILED, RELEASED)
    worker = publisher(faulty, streams)

    with logged() as events, pytest.raises(RouteError, match=r"email:user:0, .*email:user:1 were not") as raised:
        worker.publish_due("email")

    # So the log tells of one outage, and neither a traceback nor each of the routes (R35).
    assert server_of(raised.value) is Server.POSTGRESQL
    assert statuses(faulty) == ["pending", "pending"]
    assert "leases were not given up and will expire" in [event["event"] for event in events]
    faulty.fault = away()
    assert worker.publish_due("email").published == 0
    expire_leases(faulty)
    while worker.publish_due("email").more:
        pass
    assert statuses(faulty) == ["published", "published"]
    assert len(commands(redis_client)) == 2


@pytest.mark.parametrize(("attempts", "status"), [(0, "failed"), (15, "dead_letter")])
def test_a_failure_that_cannot_be_recorded_is_raised(
    database: Database, streams: OutboundStreams, attempts: int, status: str
) -> None:
    """A failure or dead letter that PostgreSQL refuses is an error that names the route; the others of the batch are
    done, and the route is free again with no attempt counted (R10)."""
    good, bad, failed = due_routes(database, 3)
    change(database, [bad, failed], f"resolved_email = NULL, attempt_count = {attempts}")
    refuse(database, f"status = '{status}' AND id = {bad}")

    with pytest.raises(RouteError, match=r"email:user:1 was not recorded.*broken") as raised:
        publisher(database, streams).publish_due("email")

    row = one_route(database, bad)
    assert "email:user:2" not in str(raised.value)
    assert server_of(raised.value) is None
    assert [one_route(database, id_)["status"] for id_ in (good, failed)] == ["published", status]
    assert (row["status"], row["attempt_count"], row["lease_token"]) == ("pending", attempts, None)


def test_a_failure_that_is_never_answered_is_raised(faulty: FaultyDatabase, streams: OutboundStreams) -> None:
    """With PostgreSQL away when a failure is to be recorded, the error names the route, and no attempt counts (R10)."""
    good, bad = due_routes(faulty, 2)
    change(faulty, [bad], "resolved_email = NULL")
    faulty.fault = away(FAILED)

    with pytest.raises(RouteError, match="email:user:1 was not recorded: no answer"):
        publisher(faulty, streams).publish_due("email")

    assert one_route(faulty, good)["status"] == "published"
    assert (one_route(faulty, bad)["status"], one_route(faulty, bad)["attempt_count"]) == ("pending", 0)


def test_a_route_without_its_notification_is_an_error(database: Database, streams: OutboundStreams) -> None:
    """A leased route whose notification is missing is raised by name, left as it was, and stops no other (R10, R11)."""
    orphan, good = due_routes(database, 2)
    change(database, [orphan], "notification_key = 0")

    with pytest.raises(RouteError, match=f"route {orphan}, email:user:0, has no notification"):
        publisher(database, streams).publish_due("email")

    row = one_route(database, orphan)
    assert one_route(database, good)["status"] == "published"
    assert (row["status"], row["attempt_count"], row["lease_token"]) == ("pending", 0, None)


def test_an_unexpected_error_gives_the_leases_back(faulty: FaultyDatabase, streams: OutboundStreams) -> None:
    """Whatever breaks off an attempt, its leases are given up at its end and no attempt is counted (R5)."""
    due_routes(faulty, 2)

    def fault(sql: str) -> None:
        if PUBLISHED in sql:
            raise SchemaOutdated("run 'publisher migrate'")

    faulty.fault = fault

    with pytest.raises(SchemaOutdated):
        publisher(faulty, streams).publish_due("email")

    assert {(r["status"], r["lease_token"], r["attempt_count"]) for r in all_routes(faulty)} == {("pending", None, 0)}
