"""Publishing what intake has handed over: without a claim, under the handover's short lease (R5, R14)."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import redis

from publisher.publishing import publisher as publishing
from publisher.publishing.publisher import Publisher
from publisher.publishing.report import Report
from publisher.streams.outbound import OutboundStreams
from storage import gates
from storage.claiming import claims
from storage.claiming.handover import Handover
from storage.database import Database
from tests.factories import CHANNELS, INTENTS, accept, incoming
from tests.integration.publishers import InterruptedStreams, commands, publisher
from tests.integration.rows import all_routes, change, execute, expire_leases, rows

LASTS = timedelta(seconds=5)


@pytest.fixture
def handover() -> Handover:
    """A handover of the email channel."""
    return Handover({"email": CHANNELS["email"].stream}, LASTS)


@pytest.fixture
def ids(database: Database, handover: Handover) -> list[int]:
    """Three email routes that are handed over."""
    recipients = [{"user_id": str(n), "email": f"user{n}@example.com"} for n in range(3)]
    made = incoming(recipients_json=recipients, channels_json=["email"])
    return accept(database, INTENTS, [made], [], handover).due["email"]


def worker(database: Database, streams: OutboundStreams, stopping: Callable[[], bool] = lambda: False) -> Publisher:
    return publisher(database, streams, handover=LASTS, stopping=stopping)


def states(database: Database) -> set[tuple[object, ...]]:
    return {(r["status"], r["attempt_count"], r["lease_loss_count"], r["lease_token"]) for r in all_routes(database)}


def test_what_is_handed_over_is_published_without_a_claim(
    database: Database,
    streams: OutboundStreams,
    redis_client: redis.Redis,
    handover: Handover,
    ids: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The holder of the message publishes each route once, and claims none."""
    monkeypatch.delattr(claims, "claim_these")

    report = worker(database, streams).publish_these("email", ids, handover.token)

    assert report == Report(3, [], [])
    assert len(commands(redis_client)) == 3
    assert states(database) == {("published", 0, 0, None)}


def test_a_message_that_waited_too_long_is_published_by_a_claim(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, handover: Handover, ids: list[int]
) -> None:
    """With less than half of the handover left the routes are claimed, for a lease of full length, and published."""
    execute(database, "UPDATE routes SET lease_expires_at = now() + interval '2 seconds'")

    assert worker(database, streams).publish_these("email", ids, handover.token).published == 3
    assert len(commands(redis_client)) == 3


def test_a_message_that_comes_twice_publishes_once(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, handover: Handover, ids: list[int]
) -> None:
    """Two workers with the same message, at work at the same time, write each command once (R12)."""
    second: list[Report] = []
    meanwhile = worker(database, streams)
    first = worker(
        database,
        InterruptedStreams(redis_client, lambda: second.append(meanwhile.publish_these("email", ids, handover.token))),
    )

    reports = [first.publish_these("email", ids, handover.token), *second]

    assert sum(report.published for report in reports) == 3
    assert len(commands(redis_client)) == 3
    assert states(database) == {("published", 0, 0, None)}


def test_an_attempt_that_outlasts_its_handover_writes_nothing_twice(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, handover: Handover, ids: list[int]
) -> None:
    """Routes of a worker that is held up beyond the handover are claimed by another; each command stands once (R12)."""

    def another_scans() -> None:
        expire_leases(database)
        assert worker(database, streams).publish_due("email").published == 3

    late = worker(database, InterruptedStreams(redis_client, another_scans))

    assert late.publish_these("email", ids, handover.token).published == 0
    assert len(commands(redis_client)) == 3
    assert states(database) == {("published", 0, 0, None)}


@pytest.mark.parametrize("answers", [(True,), (False, True)], ids=["before it is read", "after it is read"])
def test_a_worker_told_to_stop_gives_back_what_was_handed_over(
    database: Database, streams: OutboundStreams, handover: Handover, ids: list[int], answers: tuple[bool, ...]
) -> None:
    """A stopping worker frees handed-over routes at once, so that the next scan publishes them (R5)."""
    stopping = worker(database, streams, iter(answers).__next__)

    assert stopping.publish_these("email", ids, handover.token) == Report(more=True, given_back=True)

    assert states(database) == {("pending", 0, 0, None)}
    assert worker(database, streams).publish_due("email").published == 3


def test_a_worker_measures_the_handover_from_its_end(
    database: Database,
    streams: OutboundStreams,
    redis_client: redis.Redis,
    handover: Handover,
    ids: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With more than three eighths of what was left gone before the append, nothing is appended (R5)."""
    execute(database, "UPDATE routes SET lease_expires_at = now() + interval '4 seconds'")
    instants = iter([1000.0, *[1001.6] * 100])
    monkeypatch.setattr(publishing.time, "monotonic", lambda: next(instants))

    report = worker(database, streams).publish_these("email", ids, handover.token)

    assert (report.published, report.given_back) == (0, True)
    assert commands(redis_client) == {}
    assert states(database) == {("pending", 0, 0, None)}


def test_what_cannot_be_published_now_is_free_again(
    database: Database, streams: OutboundStreams, handover: Handover, ids: list[int]
) -> None:
    """Routes of a channel that was paused after the handover are free at once, so that a resumed channel publishes them
    with its next scan."""
    gates.pause(database, "email", "ann", "r")

    assert worker(database, streams).publish_these("email", ids, handover.token).published == 0

    assert states(database) == {("pending", 0, 0, None)}
    gates.resume(database, "email")
    assert worker(database, streams).publish_due("email").published == 3


def test_a_route_past_its_deadline_is_free_again(
    database: Database, streams: OutboundStreams, handover: Handover, ids: list[int]
) -> None:
    """Of a handover the routes that can be published are, and one whose deadline has passed is left to be ended."""
    change(database, ids[:1], "expires_at = now() - interval '1 second'")
    by = worker(database, streams)

    assert by.publish_these("email", ids, handover.token).published == 2
    by.end_routes("email")

    assert sorted(row["status"] for row in all_routes(database)) == ["expired", "published", "published"]


def test_a_handover_of_other_settings_tells_no_longer_life_of_a_witness(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis, handover: Handover, ids: list[int]
) -> None:
    """A handover that outlasts this worker's lease is claimed: its witness is sure to live as long as said (R12a)."""
    execute(database, "UPDATE routes SET lease_expires_at = now() + interval '5 minutes'")

    worker(database, streams).publish_these("email", ids, handover.token)

    [latest] = rows(database, "SELECT max(witness_until - published_at) AS lives FROM routes")
    assert latest["lives"] <= streams.dedup_window
