"""Attempts that fail, through the real processes: what is recorded, when the next follows, and how it ends."""

from collections import Counter
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, NO_SCANS, PUSH, Outside, users
from tests.conftest import connected, run_sql, with_database
from tests.factories import INTENTS, intent_fields
from tests.processes import Process, Processes
from tests.waiting import wait_until


def start_all(processes: Processes) -> list[Process]:
    """A worker, a clock and an intake."""
    return [processes.start(name) for name in ("worker", "clock", "intake")]


def test_a_refusing_stream_is_tried_again_at_growing_intervals_until_it_takes_the_command(
    processes: Processes, outside: Outside
) -> None:
    """Each channel's failures carry its own classification, double the wait, and end with the cause (R7, R9)."""
    for stream in (EMAIL, PUSH):
        outside.redis.set(stream, "no stream")
    start_all(processes)
    outside.send(intent_fields())

    wait_until(lambda: outside.rows("SELECT 1 FROM routes HAVING min(attempt_count) >= 3"))
    routes = outside.rows("SELECT *, next_attempt_at - last_failure_at AS wait FROM routes ORDER BY channel")
    outside.redis.delete(EMAIL, PUSH)
    outside.wait_for_routes(published=2)

    assert [r["last_failure_classification"] for r in routes] == [
        "mail_stream_publish_failed",
        "gateway_stream_publish_failed",
    ]
    for route in routes:
        assert route["status"] == "failed"
        assert route["wait"] == timedelta(seconds=0.1 * 2 ** (route["attempt_count"] - 1))
        assert "WRONGTYPE" in route["last_failure_message"]
    assert len(outside.commands(EMAIL)) == len(outside.commands(PUSH)) == 1


def test_a_route_out_of_attempts_is_dead_in_both_worlds_and_published_once_requeued(
    processes: Processes, environ: dict[str, str], outside: Outside, publisher: Publisher
) -> None:
    """A dead letter stands in PostgreSQL and in Dramatiq's dead queue; requeueing keeps who and when (R3)."""
    environ |= NO_SCANS | {"PUBLISHER_EMAIL_MAX_ATTEMPTS": "2"}
    outside.redis.set(EMAIL, "no stream")
    processes.start("worker")
    processes.start("intake")
    outside.send(intent_fields(channels_json=["email"]))
    outside.wait_for_routes(dead_letter=1)
    wait_until(lambda: outside.redis.zcard("dramatiq:email.XQ"))
    dead = outside.row("SELECT * FROM dead_letters")
    outside.redis.delete(EMAIL)

    done = publisher("dead-letters", "requeue", str(dead["notification_id"]), "email:user:7", "--by", "ann", "--yes")

    assert done.returncode == 0, done.stderr
    outside.wait_for_routes(published=1)
    assert (dead["classification"], dead["attempt_count"], dead["max_attempts"], dead["requeued_by"]) == (
        *("mail_stream_publish_failed", 2, 2, None),
    )
    kept = outside.row("SELECT *, requeued_at > dead_lettered_at AS later FROM dead_letters")
    assert (kept["id"], kept["requeued_by"], kept["later"]) == (dead["id"], "ann", True)
    assert outside.row("SELECT attempt_count, dead_letter_id, dead_lettered_at FROM routes") == {
        "attempt_count": 0,
        "dead_letter_id": None,
        "dead_lettered_at": None,
    }
    assert len(outside.commands(EMAIL)) == 1


@pytest.mark.parametrize("address", ["nobody", "a@b@example.com", "@example.com"])
def test_a_bad_address_fails_its_own_route_alone(
    processes: Processes, environ: dict[str, str], outside: Outside, address: str
) -> None:
    """An address no mail can go to is an encoding failure, never a command; its neighbours are published (R11, R23)."""
    environ["PUBLISHER_EMAIL_MAX_ATTEMPTS"] = "2"
    start_all(processes)
    recipients = [*users(5), {"user_id": "bad", "email": address}]
    outside.send(intent_fields(recipients_json=recipients, channels_json=["email"]))

    outside.wait_for_routes(published=5, dead_letter=1)

    assert outside.row("SELECT route_id, classification FROM dead_letters") == {
        "route_id": "email:user:bad",
        "classification": "payload_encoding_failed",
    }
    assert len(outside.commands(EMAIL)) == 5


def test_while_postgresql_is_away_nothing_is_acknowledged_and_afterwards_nothing_is_missing(
    processes: Processes, outside: Outside, database_url: str
) -> None:
    """Without PostgreSQL every process waits, and goes on by itself when it is back: once each (R20)."""
    worker, _, intake = start_all(processes)
    outside.send(*(intent_fields() for _ in range(50)))
    outside.wait_for_routes(published=100)
    outside.wait_until_acknowledged()
    _allow_connections(database_url, allowed=False)

    outside.send(*(intent_fields() for _ in range(50)))
    for process in (intake, worker):
        process.wait_for_output("postgresql is not available")
    unacknowledged = outside.redis.xinfo_groups(INTENTS)[0]
    _allow_connections(database_url, allowed=True)

    with connected(database_url) as connection:
        afterwards = Outside(connection, outside.redis)
        afterwards.wait_for_routes(published=200)
        afterwards.wait_until_acknowledged()
    assert unacknowledged["pending"] + unacknowledged["lag"] == 50
    for stream in (EMAIL, PUSH):
        assert Counter(outside.deliveries(stream).values()) == {1: 100}
    assert worker.returncode is None
    assert intake.returncode is None


def _allow_connections(database_url: str, *, allowed: bool) -> None:
    name = urlsplit(database_url).path[1:]
    run_sql(
        with_database(database_url, "postgres"),
        f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {allowed}',
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
