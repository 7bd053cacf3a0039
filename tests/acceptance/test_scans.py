"""Scans: the guarantee behind every hint, by whoever is left to make them."""

import json
from datetime import timedelta

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, NO_SCANS, PUSH, Outside, users
from tests.factories import accepted, intent_fields
from tests.processes import Processes
from tests.waiting import wait_until

WORKER = "dramatiq publisher.actors --processes 1 --threads 4 --skip-logging --queues"


def test_every_due_route_is_published_although_dramatiq_lost_every_message(
    processes: Processes, outside: Outside
) -> None:
    """With all of Dramatiq's keys gone the scan still finds what is due (R14)."""
    intake = processes.start("intake")
    outside.send(*(intent_fields() for _ in range(100)))
    outside.wait_for_routes(pending=200)
    outside.wait_until_acknowledged()
    intake.kill()
    lost = outside.redis.keys("dramatiq:*")
    outside.redis.delete(*lost)

    processes.start("worker")
    processes.start("clock")

    outside.wait_for_routes(published=200)
    assert {"dramatiq:email", "dramatiq:push"} <= set(lost)
    assert set(outside.deliveries(EMAIL).values()) == set(outside.deliveries(PUSH).values()) == {1}


def test_workers_scan_by_themselves_where_no_scheduler_does(
    processes: Processes, database: Database, outside: Outside
) -> None:
    """A dead scheduler costs latency alone: after three silent intervals a worker looks by itself (R14a)."""
    worker = processes.start("worker")
    worker.wait_for_output("scanning by itself", times=2)

    accepted(database, [{"recipients_json": users(700)}])

    outside.wait_for_routes(published=1400)
    assert set(outside.deliveries(EMAIL).values()) == {1}


def test_two_of_every_process_publish_each_route_once(processes: Processes, outside: Outside) -> None:
    """Nothing assumes that it is alone: any number of processes share the work without a second command (R15)."""
    for name in ("worker", "clock", "intake") * 2:
        processes.start(name)

    outside.send(*(intent_fields(recipients_json=users(10)) for _ in range(200)))

    outside.wait_for_routes(published=4000)
    outside.wait_until_acknowledged()
    for stream in (EMAIL, PUSH):
        deliveries = outside.deliveries(stream)
        assert len(deliveries) == 2000
        assert set(deliveries.values()) == {1}


def test_each_channel_has_a_queue_whose_workers_can_run_alone(
    processes: Processes, environ: dict[str, str], outside: Outside
) -> None:
    """A worker of one queue leaves the other channel's routes to theirs (R16)."""
    environ |= NO_SCANS
    processes.start("intake")
    processes.start(f"{WORKER} push")
    outside.send(*(intent_fields() for _ in range(20)))
    outside.wait_for_routes(published=20, pending=20)
    assert len(outside.commands(PUSH)) == 20

    processes.start(f"{WORKER} email")

    outside.wait_for_routes(published=40)
    assert len(outside.commands(EMAIL)) == 20


def test_a_worker_of_a_queue_that_does_not_exist_says_so(processes: Processes) -> None:
    """A misspelt `--queues` ends the worker with exit code 2 and one line, instead of a worker that waits for ever."""
    worker = processes.start(f"{WORKER} emial")

    assert worker.wait() == 2
    assert "publisher: there is no queue 'emial'; did you mean email? queues: email, push" in worker.output


def test_an_ad_hoc_scan_drains_a_channel_and_says_what_it_did(
    processes: Processes, environ: dict[str, str], database: Database, outside: Outside, publisher: Publisher
) -> None:
    """`scheduler scan --wait` publishes everything due, batch by batch, and reports the counts."""
    environ |= NO_SCANS | {"PUBLISHER_ROUTE_BACKOFF_MIN": "60"}
    recipients = [*users(999), {"user_id": "bad", "email": "nobody"}]
    accepted(database, [{"recipients_json": recipients}, {"recipients_json": users(300)}])
    outside.rows("UPDATE routes SET max_attempts = 1, resolved_email = 'nobody' WHERE route_id = 'email:user:3'")
    processes.start("worker")

    done = publisher("scheduler", "scan", "email", "--wait", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"channel": "email", "published": 1297, "rescheduled": 1, "dead_lettered": 2}
    assert outside.row("SELECT count(*) FROM routes WHERE channel = 'push' AND status = 'pending'") == {"count": 1300}


def test_a_scan_without_wait_is_done_as_soon_as_the_workers_are_told(
    processes: Processes, environ: dict[str, str], database: Database, outside: Outside, publisher: Publisher
) -> None:
    """`scheduler scan` of every channel enqueues, and needs no worker to be there."""
    environ |= NO_SCANS
    accepted(database)

    done = publisher("scheduler", "scan", "--json")

    assert (done.returncode, json.loads(done.stdout)) == (0, {"enqueued": ["email", "push"]})
    processes.start("worker")
    outside.wait_for_routes(published=2)


def test_a_scan_that_waited_too_long_is_dropped(
    processes: Processes, environ: dict[str, str], database: Database, outside: Outside, publisher: Publisher
) -> None:
    """A scan older than three intervals does nothing, since a later one covers it."""
    environ |= NO_SCANS
    accepted(database)
    publisher("scheduler", "scan", "email")
    _age(outside, timedelta(hours=3, minutes=1))

    processes.start("worker")
    wait_until(lambda: not outside.redis.hlen("dramatiq:email.msgs"))
    assert outside.statuses() == {"pending": 2}
    assert not outside.redis.exists("dramatiq:email.XQ")

    publisher("scheduler", "scan", "email")
    outside.wait_for_routes(published=1, pending=1)


def _age(outside: Outside, by: timedelta) -> None:
    """Makes every email message that waits this much older."""
    for message_id, data in outside.redis.hgetall("dramatiq:email.msgs").items():
        message = json.loads(data)
        message["message_timestamp"] -= round(by.total_seconds() * 1000)
        outside.redis.hset("dramatiq:email.msgs", message_id, json.dumps(message))
