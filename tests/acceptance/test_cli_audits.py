"""`publisher status` and `publisher doctor` say when each channel was last audited, or should have been (R12a)."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from publisher.streams.heartbeats import Process, ProcessRegister
from publisher.streams.servers.connection import open_redis
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside
from tests.factories import intent_fields
from tests.integration.rows import FINAL, change, due_routes, execute
from tests.processes import Processes
from tests.waiting import wait_until


def check(publisher: Publisher, **variables: str) -> tuple[str, str, int]:
    """What doctor says of the audits: verdict, finding, and its exit code."""
    done = publisher("doctor", "--json", **variables)
    [record] = [json.loads(line) for line in done.stdout.splitlines() if '"loss-audit"' in line]
    return record["verdict"], record["finding"], done.returncode


def overdue(database: Database) -> None:
    """Routes were published an hour ago, and no audit has ended since."""
    change(database, due_routes(database, 3), f"{FINAL['published']}, updated_at = now()")
    execute(database, "UPDATE routes SET published_at = now() - interval '1 hour'")
    execute(
        database,
        "INSERT INTO stream_audits (channel, redis_identity, audited_at, covered_to)"
        " VALUES ('email', '', now() - interval '2 hours', now() - interval '2 hours')",
    )


def sign_of_a_worker(redis_url: str, up: timedelta) -> None:
    """A worker lives, and has for so long."""
    with open_redis(redis_url, timeout=timedelta(seconds=3), client_name="test") as client:
        ProcessRegister(client).sign(Process("1", "worker", "web-1", 17, datetime.now(UTC) - up, "0.1.0"))


def test_an_overdue_audit_fails_the_doctor(publisher: Publisher, database: Database, redis_url: str) -> None:
    """Workers have been there all the time, and nobody has audited email for two hours: exit code 1, and a remedy."""
    overdue(database)
    sign_of_a_worker(redis_url, timedelta(hours=3))

    verdict, finding, code = check(publisher)

    assert (verdict, code) == ("failed", 1)
    assert finding.startswith("email: last audited 2 h ")


def test_an_overdue_audit_does_not_keep_a_release_from_starting_workers(
    publisher: Publisher, database: Database, redis_url: str
) -> None:
    """With no worker, or with one that has just begun, it is a warning: the release is what mends it."""
    overdue(database)

    assert check(publisher)[::2] == ("warning", 0)

    sign_of_a_worker(redis_url, timedelta(minutes=5))
    assert check(publisher)[::2] == ("warning", 0)


def test_on_a_fresh_system_no_audit_is_overdue(publisher: Publisher) -> None:
    """Nothing was published: there is nothing to audit."""
    assert check(publisher) == ("ok", "email: never audited; push: never audited", 0)


def test_audits_that_are_off_say_so(publisher: Publisher, database: Database) -> None:
    """With PUBLISHER_AUDIT_WINDOW=0 doctor and status say that audits are off."""
    overdue(database)

    verdict, finding, _ = check(publisher, PUBLISHER_AUDIT_WINDOW="0")
    shown = publisher("status", PUBLISHER_AUDIT_WINDOW="0").stdout

    assert (verdict, finding) == ("ok", "off: PUBLISHER_AUDIT_WINDOW is 0, see windows")
    assert any("email" in line and line.rstrip().endswith("off") for line in shown.splitlines())


def test_status_says_when_a_channel_was_last_audited(publisher: Publisher, database: Database) -> None:
    """The table says it in words, --json as an instant, and both that it is overdue."""
    overdue(database)

    shown = publisher("status").stdout
    channels = json.loads(publisher("status", "--json").stdout)["channels"]

    assert any("email" in line and " 2h" in line and "ago, overdue" in line for line in shown.splitlines())
    assert any("push" in line and line.rstrip().endswith("never") for line in shown.splitlines())
    assert channels["email"]["last_audited_at"].endswith("Z")
    assert (channels["email"]["audit_overdue"], channels["push"]["audit_overdue"]) == (True, False)
    assert channels["push"]["last_audited_at"] is None


@pytest.mark.usefixtures("redis_url")
def test_a_running_worker_is_seen_to_audit(processes: Processes, outside: Outside, publisher: Publisher) -> None:
    """With the real processes every channel is audited within seconds, and doctor is content."""
    for name in ("worker", "intake"):
        processes.start(name)
    outside.send(intent_fields())
    outside.wait_for_routes(published=2)
    wait_until(lambda: len(outside.rows("SELECT 1 FROM stream_audits WHERE covered_to IS NOT NULL")) == 2)

    verdict, finding, _ = check(publisher)

    assert verdict == "ok"
    assert "email: last audited" in finding
    assert "push: last audited" in finding
