"""Attempts that lose their route on the way, and workers that die between the two databases (R8, R12, R15)."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from publisher.process.telemetry import Telemetry
from publisher.publishing.publisher import Publisher
from publisher.streams.outbound import OutboundStreams
from storage.claiming import leases
from storage.database import Database
from storage.outcomes import recording
from tests.integration.publishers import InterruptedStreams, commands, counters, logged, publisher
from tests.integration.rows import all_routes, change, due_routes, expire_leases, one_route, rows

TAKEN = "lease_token = 'someone else'"


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param("updated_at = updated_at", id="published"),
        pytest.param("resolved_email = NULL", id="failed"),
        pytest.param("resolved_email = NULL, attempt_count = 15", id="dead-lettered"),
    ],
)
@pytest.mark.parametrize("moved", [TAKEN, "attempt_count = 9", "status = 'failed'"])
def test_a_route_that_was_moved_on_counts_nothing(
    database: Database, redis_client: redis.Redis, ending: str, moved: str
) -> None:
    """A conflict changes nothing, counts nothing, is no error, and is logged at debug level alone (R8)."""
    [route] = due_routes(database, 1)
    change(database, [route], ending)
    telemetry, then = Telemetry(), []

    def move_on() -> None:
        change(database, [route], moved)
        then.append(one_route(database, route))

    worker = publisher(database, InterruptedStreams(redis_client, move_on), telemetry=telemetry)
    with logged() as events:
        report = worker.publish_due("email")

    kept = {name: value for name, value in then[0].items() if not name.startswith(("lease", "updated"))}
    assert one_route(database, route).items() >= kept.items()
    assert rows(database, "SELECT * FROM dead_letters") == []
    assert (report.published, report.rescheduled, report.dead_lettered) == (0, [], [])
    assert counters(telemetry) == {}
    assert [(event["event"], event["log_level"]) for event in events] == [
        ("route was moved on by someone else", "debug")
    ]


def test_a_conflict_takes_no_lease_from_its_new_owner(database: Database, redis_client: redis.Redis) -> None:
    """A worker that lost its route gives up nothing of the one that holds it now (R5, R8)."""
    mine, taken = due_routes(database, 2)
    streams = InterruptedStreams(redis_client, lambda: change(database, [taken], TAKEN))

    report = publisher(database, streams).publish_due("email")

    assert report.published == 1
    assert one_route(database, mine)["status"] == "published"
    assert one_route(database, taken)["lease_token"] == "someone else"  # noqa: S105


def test_two_workers_on_one_route_append_once(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """A worker so slow that its lease runs out, and the one that takes over, make one command and one publication
    between them (R8, R12)."""
    [route] = due_routes(database, 1)
    telemetry, next_reports = Telemetry(), []

    def take_over() -> None:
        expire_leases(database)
        next_reports.append(publisher(database, streams, telemetry=telemetry).publish_due("email"))

    slow = publisher(database, InterruptedStreams(redis_client, take_over), telemetry=telemetry)
    report = slow.publish_due("email")

    assert (report.published, [r.published for r in next_reports]) == (0, [1])
    assert len(commands(redis_client)) == 1
    assert one_route(database, route)["status"] == "published"
    assert counters(telemetry) == {("route_publish_attempts_total", "email", "game.turn.ready", "published", ""): 1}


def test_workers_at_once_publish_each_route_once(
    database: Database, streams: OutboundStreams, redis_client: redis.Redis
) -> None:
    """Any number of workers drain a channel together, with one command for each route (R15)."""
    due_routes(database, 200)

    def drain(_: int) -> int:
        worker, published = publisher(database, streams, batch_size=7), 0
        while (report := worker.publish_due("email")).published:
            published += report.published
        return published

    with ThreadPoolExecutor(6) as threads:
        published = sum(threads.map(drain, range(6)))

    assert published == 200
    assert Counter(c["delivery_id"] for c in commands(redis_client).values()).most_common(1)[0][1] == 1
    assert len(commands(redis_client)) == 200
    assert {row["status"] for row in all_routes(database)} == {"published"}


class Killed(BaseException):
    """The end of a process, as far as its database can see."""


def killed(*arguments: object) -> None:
    raise Killed


@pytest.fixture
def die_before(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[[Publisher, object, str], None]:
    """Lets a worker publish, and die just before it calls this function; its leases then run out."""

    def die(worker: Publisher, module: object, name: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, killed)
            # Dead workers give nothing back.
            patch.setattr(leases, "release", lambda *_: [])
            with pytest.raises(Killed):
                worker.publish_due("email")
        expire_leases(database)

    return die


def test_a_worker_that_dies_after_the_append_makes_no_second_command(
    database: Database,
    streams: OutboundStreams,
    redis_client: redis.Redis,
    die_before: Callable[[Publisher, object, str], None],
) -> None:
    """Between the append and its record a worker may be killed: the next one records the entry that stands (R12)."""
    [route] = due_routes(database, 1)
    worker = publisher(database, streams)

    die_before(worker, recording, "complete")
    [entry_id] = commands(redis_client)
    report = worker.publish_due("email")

    row = one_route(database, route)
    assert report.published == 1
    assert list(commands(redis_client)) == [entry_id]
    assert (row["status"], row["stream_entry_id"], row["attempt_count"]) == ("published", entry_id, 0)


def test_a_worker_that_dies_before_the_append_loses_nothing(
    database: Database,
    streams: OutboundStreams,
    redis_client: redis.Redis,
    die_before: Callable[[Publisher, object, str], None],
) -> None:
    """A worker may be killed with a batch in hand: each of its routes is published once its lease ran out (R5, R15)."""
    due_routes(database, 10)
    worker = publisher(database, streams)

    die_before(worker, OutboundStreams, "append")
    assert commands(redis_client) == {}
    while worker.publish_due("email").published:
        pass

    assert {row["status"] for row in all_routes(database)} == {"published"}
    assert len(commands(redis_client)) == 10


def test_a_route_that_kills_every_worker_ends_as_a_dead_letter(
    database: Database, streams: OutboundStreams, die_before: Callable[[Publisher, object, str], None]
) -> None:
    """After five deaths the route is given up, and no worker dies of it again (R5a)."""
    [route] = due_routes(database, 1)
    worker = publisher(database, streams)
    for _ in range(5):
        die_before(worker, OutboundStreams, "append")

    report = worker.publish_due("email")

    assert report.dead_lettered == [route]
    assert one_route(database, route)["last_failure_classification"] == "lease_expired"


def test_what_is_recorded_is_told_before_the_rest_is_given_back(
    database: Database, streams: OutboundStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies while it gives leases back leaves no recorded outcome without its count (R25, R26)."""
    due_routes(database, 1)
    telemetry = Telemetry()
    monkeypatch.setattr(leases, "release", killed)

    with pytest.raises(Killed):
        publisher(database, streams, telemetry=telemetry).publish_due("email")

    assert {row["status"] for row in all_routes(database)} == {"published"}
    assert counters(telemetry) == {("route_publish_attempts_total", "email", "game.turn.ready", "published", ""): 1}
