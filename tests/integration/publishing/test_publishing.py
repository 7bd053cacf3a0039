"""Publishing what is due: claimed, appended, recorded, in that order (R4, R5, R6, R12)."""

import json
from datetime import timedelta
from typing import Any

import pytest
import redis

from publisher.domain.errors import BadRequest, DatabaseUnavailable
from publisher.publishing.report import Report
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from storage.outcomes import recording
from tests.conftest import connected
from tests.factories import accepted
from tests.integration.publishers import InterruptedStreams, commands, publisher
from tests.integration.rows import FINAL, REOPENED, all_routes, bury_something, change, due_routes, one_route, rows


def test_a_due_route_is_published(database: Database, streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """A due route becomes a command on its channel's stream and is recorded with the entry's id (R6)."""
    [route] = accepted(database, [{"payload_json": '{"turn":1.0}'}]).due["email"]

    report = publisher(database, streams).publish_due("email")

    row = one_route(database, route)
    [(entry_id, command)] = commands(redis_client).items()
    assert report == Report(published=1, rescheduled=[], dead_lettered=[], more=False)
    assert (row["status"], row["stream_entry_id"], row["attempt_count"]) == ("published", entry_id, 0)
    assert command["delivery_id"] == f"{row['notification_id']}/email:user:7"
    assert '"variables":{"turn":1.0}' in command["payload_json"]
    assert json.loads(command["payload_json"])["to"] == ["ann@example.com"]
    assert commands(redis_client, "push") == {}


def test_each_channel_is_published_on_its_own_stream(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A scan of a channel publishes that channel's routes alone, on that channel's stream (R16)."""
    accepted(database)

    publisher(database, streams).publish_due("push")

    assert commands(redis_client) == {}
    assert [c["user_id"] for c in commands(redis_client, "push").values()] == ["7"]
    assert [(row["channel"], row["status"]) for row in all_routes(database)] == [
        ("email", "pending"),
        ("push", "published"),
    ]


@pytest.mark.parametrize(
    "state",
    [
        "next_attempt_at = now() + interval '1 minute'",
        "lease_token = 'someone', lease_expires_at = now() + interval '1 minute'",
        *FINAL.values(),
    ],
)
def test_what_is_not_due_ends_quietly(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, state: str
) -> None:
    """A route that is not due, leased elsewhere or final is neither published nor touched (R4)."""
    bury_something(database)
    routes = due_routes(database, 1)
    change(database, routes, state)
    before = all_routes(database)
    worker = publisher(database, streams)

    assert worker.publish_these("email", [*routes, 2**60]).published == 0
    assert worker.publish_due("email").published == 0

    assert all_routes(database) == before
    assert commands(redis_client) == {}


def test_a_message_publishes_its_routes_alone(database: Database, streams: OutboundStreams) -> None:
    """The routes of a message are published, others that are due are left to their own (R4)."""
    first, second, third = due_routes(database, 3)

    report = publisher(database, streams).publish_these("email", [third, first])

    assert report.published == 2
    assert [one_route(database, id_)["status"] for id_ in (first, second, third)] == [
        "published",
        "pending",
        "published",
    ]


def test_nothing_due_is_nothing_done(database: Database, streams: OutboundStreams) -> None:
    """With nothing due, a scan and an empty message report nothing."""
    worker = publisher(database, streams)

    assert worker.publish_due("email") == worker.publish_these("email", []) == Report(0, (), (), more=False)


def test_a_full_batch_says_that_there_is_more(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """As soon as a batch is leased that leaves others due, the next may begin elsewhere: before this one is done."""
    due_routes(database, 3)
    told = []

    report = publisher(database, streams, batch_size=2).publish_due(
        "email", on_more=lambda: told.append(len(commands(redis_client)))
    )

    assert told == [0]
    assert (report.published, report.more) == (2, True)


def test_looking_again_while_there_is_more_finds_everything(database: Database, streams: OutboundStreams) -> None:
    """A worker that goes on while there is more leaves nothing due, also what came free behind it (R14)."""
    routes = due_routes(database, 9)
    change(database, routes[:1], "lease_token = 'someone', lease_expires_at = now() + interval '1 minute'")
    worker = publisher(database, streams, batch_size=2)

    published = [worker.publish_due("email"), worker.publish_due("email")]
    change(database, routes[:1], "lease_token = NULL, lease_expires_at = NULL")
    while published[-1].more:
        published.append(worker.publish_due("email"))

    assert sum(report.published for report in published) == 9
    assert {row["status"] for row in all_routes(database)} == {"published"}


def test_an_unknown_channel_is_named(database: Database, streams: OutboundStreams) -> None:
    """A channel that does not exist is a bad request that says which ones there are."""
    worker = publisher(database, streams)

    with pytest.raises(BadRequest, match=r"'fax'.*email, push"):
        worker.publish_due("fax")
    with pytest.raises(BadRequest, match=r"'fax'.*email, push"):
        worker.publish_these("fax", [1])


def test_without_postgresql_nothing_is_appended(streams: OutboundStreams, redis_client: redis.Redis) -> None:
    """If nothing can be claimed, the scan fails as a whole, and the stream stays as it was (R4)."""
    away = Database("postgresql://nobody@127.0.0.1:1/nothing", application_name="test")

    with pytest.raises(DatabaseUnavailable):
        publisher(away, streams).publish_due("email")

    assert commands(redis_client) == {}


def test_the_command_stands_before_postgresql_says_so(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a route is recorded as published, its command is on the stream already (R6)."""
    due_routes(database, 2)
    complete, seen = recording.complete, []

    def look_first(*arguments: Any) -> Any:
        seen.append((len(commands(redis_client)), {row["status"] for row in all_routes(database)}))
        return complete(*arguments)

    monkeypatch.setattr(recording, "complete", look_first)

    publisher(database, streams).publish_due("email")

    assert seen == [(2, {"pending"})]
    assert {row["status"] for row in all_routes(database)} == {"published"}


def test_no_transaction_is_open_while_redis_is_spoken_to(
    database: Database, database_url: str, redis_client: redis.Redis
) -> None:
    """During an append the routes are leased, and no transaction and no row lock is held (R5)."""
    due_routes(database, 1)
    seen = []

    def look() -> None:
        with connected(database_url) as other, other.cursor() as cursor:
            cursor.execute("SELECT lease_token IS NOT NULL FROM routes FOR UPDATE NOWAIT")
            seen.append(cursor.fetchone())

    publisher(database, InterruptedStreams(redis_client, look)).publish_due("email")

    assert seen == [(True,)]
    assert rows(database, "SELECT status FROM routes") == [{"status": "published"}]


@pytest.mark.parametrize("answers", [(True,), (False, True)], ids=["before the claim", "after the claim"])
def test_a_worker_told_to_stop_holds_nothing(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, answers: tuple[bool, ...]
) -> None:
    """A stopping worker gives back at once what it has not begun, counts no attempt, and reports more to do (R5)."""
    routes = due_routes(database, 2)
    reports = [
        publisher(database, streams, stopping=iter(answers).__next__).publish_due("email"),
        publisher(database, streams, stopping=iter(answers).__next__).publish_these("email", routes),
    ]

    assert reports == [Report(more=True, given_back=True)] * 2
    assert commands(redis_client) == {}
    assert {
        (r["status"], r["lease_token"], r["attempt_count"], r["lease_loss_count"]) for r in all_routes(database)
    } == {("pending", None, 0, 0)}
    assert publisher(database, streams).publish_due("email").published == 2


def test_a_delivery_is_appended_once_within_the_dedup_window(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A route that is pending again within the window is published again without a second command (R12)."""
    [route] = due_routes(database, 1)
    worker = publisher(database, streams)
    worker.publish_due("email")
    [entry_id] = commands(redis_client)
    change(database, [route], f"{REOPENED}, stream_entry_id = NULL")

    report = worker.publish_due("email")

    assert report.published == 1
    assert list(commands(redis_client)) == [entry_id]
    assert one_route(database, route)["stream_entry_id"] == entry_id


def test_a_delivery_is_appended_again_after_the_dedup_window(database: Database, redis_client: redis.Redis) -> None:
    """Once the window has passed, an append is a new one (R12)."""
    [route] = due_routes(database, 1)
    worker = publisher(database, OutboundStreams(StreamServers(redis_client), timedelta(seconds=30)))
    worker.publish_due("email")
    redis_client.delete(*redis_client.scan_iter(match="publisher:witness:*"))
    change(database, [route], REOPENED)

    worker.publish_due("email")

    assert len(commands(redis_client)) == 2
