"""The reply to a recording is lost, though it happened: each outcome is told of and counted once all the same (R25)."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import redis

from publisher.domain.channel import Channel, Command
from publisher.domain.errors import EncodingError
from publisher.domain.notification import Notification, Route
from publisher.process.telemetry import Telemetry
from publisher.publishing.publisher import Publisher
from publisher.publishing.report import Report
from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from tests.factories import CHANNELS
from tests.faults.proxied_connection import Loss
from tests.faults.proxied_url import proxied
from tests.faults.proxy import Proxy
from tests.integration.publishers import commands, counters, logged, publisher
from tests.integration.rows import all_routes, change, due_routes, expire_leases

PUBLISHED, FAILED, DEAD, EXPIRED, CANCELLED = (
    *("route published", "route failed and was rescheduled", "route dead-lettered"),
    *("route expired", "route cancelled"),
)
STATEMENTS = {
    PUBLISHED: b"/* record_published */",
    FAILED: b"/* record_rescheduled */",
    DEAD: b"/* record_dead_lettered */",
    EXPIRED: b"/* record_expired */",
    CANCELLED: b"/* record_cancelled */",
}
COUNTERS = {
    PUBLISHED: ("route_publish_attempts_total", "email", "game.turn.ready", "published", ""),
    FAILED: ("route_publish_attempts_total", "email", "game.turn.ready", "retry", "payload_encoding_failed"),
    DEAD: ("route_dead_letters_total", "email", "game.turn.ready", "payload_encoding_failed"),
    EXPIRED: ("routes_expired_total", "email", "game.turn.ready"),
    CANCELLED: ("routes_cancelled_total", "email", "game.turn.ready"),
}
ENDED = {EXPIRED: "expires_at = now()", CANCELLED: "cancel_requested_at = now(), cancelled_by = 'ann'"}
STATUSES = {
    PUBLISHED: "published",
    FAILED: "failed",
    DEAD: "dead_letter",
    EXPIRED: "expired",
    CANCELLED: "cancelled",
}


@pytest.fixture
def far_database(database_url: str) -> Iterator[tuple[Database, Proxy]]:
    """This test's database, behind a network that can lose replies."""
    with proxied(database_url) as (proxy, url), closing(Database(url, application_name="test")) as database:
        yield database, proxy


def refuse(_notification: Notification, _route: Route) -> Command:
    raise EncodingError("no such template")


def prepared(database: Database, event: str, count: int = 7) -> dict[str, Channel]:
    """Routes that will end like this, and the channels that do it."""
    ids = due_routes(database, count)
    if event == DEAD:
        change(database, ids, "status = 'failed', attempt_count = max_attempts - 1")
    if event in ENDED:
        change(database, ids, ENDED[event])
    return (
        CHANNELS if event in (PUBLISHED, *ENDED) else {**CHANNELS, "email": replace(CHANNELS["email"], encode=refuse)}
    )


def run(by: Publisher, event: str) -> Report | bool:
    return by.end_routes("email") if event in ENDED else by.publish_due("email")


@pytest.mark.parametrize("event", STATEMENTS)
def test_an_outcome_whose_reply_is_lost_is_told_once(
    event: str, far_database: tuple[Database, Proxy], database: Database, streams: OutboundStreams
) -> None:
    """PostgreSQL recorded a batch and the answer never came: each route is logged, counted and reported once."""
    through, proxy = far_database
    channels, telemetry = prepared(database, event), Telemetry()
    by = publisher(through, streams, channels=channels, telemetry=telemetry)
    loss = Loss((STATEMENTS[event],))
    proxy.lose(loss)

    with logged() as events:
        report = run(by, event)

    assert loss.happened.is_set()
    assert {row["status"] for row in all_routes(database)} == {STATUSES[event]}
    assert Counter(e["event"] for e in events if e["event"] in STATEMENTS) == {event: 7}
    assert counters(telemetry)[COUNTERS[event]] == 7
    if isinstance(report, Report):
        told = {PUBLISHED: report.published, FAILED: len(report.rescheduled), DEAD: len(report.dead_lettered)}
        assert told == {kind: 7 if kind == event else 0 for kind in told}


def test_two_lost_replies_make_no_failure_of_a_publication(
    far_database: tuple[Database, Proxy], database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """The repetition's answer is lost as well: the routes are published, and told of as that, not as failed."""
    through, proxy = far_database
    prepared(database, PUBLISHED)
    telemetry = Telemetry()
    by = publisher(through, streams, telemetry=telemetry)
    losses = [Loss((STATEMENTS[PUBLISHED],)) for _ in range(2)]
    for loss in losses:
        proxy.lose(loss)

    with logged() as events:
        report = by.publish_due("email")

    assert all(loss.happened.is_set() for loss in losses)
    assert (report.published, report.rescheduled) == (7, [])
    assert {row["status"] for row in all_routes(database)} == {"published"}
    assert Counter(e["event"] for e in events if e["event"] in STATEMENTS) == {PUBLISHED: 7}
    assert len(commands(redis_client)) == 7


def test_what_another_worker_recorded_is_not_counted_twice(
    far_database: tuple[Database, Proxy], database: Database, streams: OutboundStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was paused beyond its lease does not take another's outcome for its own, though it is the same."""
    through, proxy = far_database
    due_routes(database, 1)
    telemetry = Telemetry()
    by = publisher(through, streams, telemetry=telemetry)
    whole: Callable[..., Any] = by._recorder.record

    def another_publishes(batch: Any, decide: Any) -> Any:
        expire_leases(database)
        publisher(database, streams).publish_due("email")
        batch.began -= 31
        proxy.lose(Loss((STATEMENTS[PUBLISHED],)))
        return whole(batch, decide)

    monkeypatch.setattr(by._recorder, "record", another_publishes)

    report = by.publish_due("email")

    assert report.published == 0
    assert [row["status"] for row in all_routes(database)] == ["published"]
    assert counters(telemetry) == {}
