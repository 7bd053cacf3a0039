"""`publisher migrate` and `publisher status`, on an empty system and on a filled one."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.final_routes import BURY
from tests.acceptance.outside import EMAIL, NO_SCANS, PUSH, Outside, users
from tests.factories import GROUP, INTENTS, accepted, intent_fields
from tests.processes import Processes
from tests.waiting import wait_until

NOTHING = {
    "pending": 0,
    "failed": 0,
    "published": 0,
    "dead_letter": 0,
    "skipped": 0,
    "expired": 0,
    "cancelled": 0,
    "estimated": [],
    "due": 0,
    "oldest_due_seconds": None,
    "in_flight": 0,
    "state": "open",
    "limit": None,
    "paused_at": None,
    "paused_by": None,
    "pause_reason": None,
    "parked_at": None,
    "park_reason": None,
    "probe_at": None,
    "last_audited_at": None,
    "audit_overdue": False,
    "answers_last_hour": {"at_least": False},
    "unanswered": None,
    "queued": 0,
    "delayed": 0,
    "dead_messages": 0,
}
# Of email an answer is expected.
NOTHING_OF_EMAIL = NOTHING | {
    "unanswered": {"count": 0, "at_least": False, "oldest_seconds": None, "last_answer_seconds": None}
}


def unread_by_all(stream: str, length: int) -> dict[str, object]:
    """A stream that no group reads, with so many commands."""
    readers = {"stream": stream, "length": length, "groups": [], "more_groups": 0, "problem": None, "partitions": []}
    return {"readers": readers}


def status(publisher: Publisher) -> dict[str, dict[str, dict[str, object]]]:
    """What `status --json` says."""
    done = publisher("status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, dict[str, dict[str, object]]] = json.loads(done.stdout)
    return told


def test_migrating_twice_changes_nothing_the_second_time(
    publisher: Publisher, create_database: Callable[[str], str]
) -> None:
    """The first call names what it applied, the second finds nothing to apply."""
    empty = create_database("template1")

    first, second, third = (publisher("migrate", *flags, DATABASE_URL=empty) for flags in ([], [], ["--json"]))

    assert first.stdout.startswith("applied 0001_initial")
    newest = first.stdout.split()[-1]
    assert second.stdout == f"nothing to apply: the schema is at {newest}\n"
    assert json.loads(third.stdout) == {"applied": [], "schema": newest}
    assert publisher("status", DATABASE_URL=empty).returncode == 0


def test_migrating_from_several_places_at_once_applies_everything_once(
    publisher: Publisher, create_database: Callable[[str], str]
) -> None:
    """The others wait, then find nothing to do."""
    empty = create_database("template1")

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: publisher("migrate", "--json", DATABASE_URL=empty), range(3)))

    assert [d.returncode for d in done] == [0, 0, 0], done
    applied = [json.loads(d.stdout)["applied"] for d in done]
    assert sorted(map(bool, applied)) == [False, False, True]


def test_the_status_of_an_empty_system_is_all_zeros(publisher: Publisher) -> None:
    """Without a stream, a group or a route there is nothing to say, and no error."""
    said = status(publisher)

    assert said.pop("verdict")["code"] == "nothing_sent"
    assert said == {
        "channels": {"email": NOTHING_OF_EMAIL | unread_by_all(EMAIL, 0), "push": NOTHING | unread_by_all(PUSH, 0)},
        "intents": {
            "lag": 0,
            "is_bound": False,
            "pending": 0,
            "consumers": 0,
            "malformed": 0,
            "replay": None,
            "losses": 0,
        },
        "delivery_events": {"lag": 0, "is_bound": False, "pending": 0, "consumers": 0},
        "streams_given_up": None,
        "mail_deferred": {"count": 0, "at_least": False, "oldest_seconds": None},
        "processes": [],
    }


def test_the_status_of_a_filled_system_counts_everything(
    processes: Processes, environ: dict[str, str], database: Database, outside: Outside, publisher: Publisher
) -> None:
    """Routes by status, what is due and for how long, queues, and what waits on the intents stream."""
    environ |= NO_SCANS | {"PUBLISHER_EMAIL_MAX_ATTEMPTS": "1"}
    worker, intake = processes.start("worker"), processes.start("intake")
    bad = [{"user_id": "8"}, {"user_id": "9", "email": "nobody"}]
    outside.send(intent_fields(recipients_json=[*users(2), *bad]), {"no": "intent"})
    outside.wait_for_routes(published=6, skipped=1, dead_letter=1)
    outside.wait_until_acknowledged()
    wait_until(lambda: outside.redis.zcard("dramatiq:email.XQ"))
    for process in (worker, intake):
        process.kill()
    accepted(database, [{"recipients_json": users(3), "channels_json": ["push"]}])
    outside.rows("UPDATE routes SET next_attempt_at = now() - interval '1 hour' WHERE status = 'pending'")
    publisher("scheduler", "scan", "push")
    outside.send(intent_fields(), intent_fields(), intent_fields())
    outside.redis.xreadgroup(GROUP, "someone", {INTENTS: ">"}, count=1)

    said = status(publisher)

    assert said["channels"]["email"] == NOTHING_OF_EMAIL | unread_by_all(EMAIL, 2) | {
        "published": 2,
        "skipped": 1,
        "dead_letter": 1,
        "dead_messages": 1,
    }
    oldest = said["channels"]["push"].pop("oldest_due_seconds")
    assert isinstance(oldest, float)
    assert 3600 <= oldest < 3700
    assert said["channels"]["push"] | {"oldest_due_seconds": None} == NOTHING | unread_by_all(PUSH, 4) | {
        "published": 4,
        "pending": 3,
        "due": 3,
        "queued": 1,
    }
    assert said["intents"] == {
        "lag": 2,
        "is_bound": False,
        "pending": 1,
        "consumers": 2,
        "malformed": 1,
        "replay": None,
        "losses": 0,
    }
    table = publisher("status").stdout
    assert "1h" in table
    # What Redis keeps of failed messages is no work that waits; JSON alone has it.
    assert "dead messages" not in table
    assert "Messages waiting in queues" in table
    assert len(outside.commands(EMAIL)) == 2


def test_the_table_counts_the_dead_letters_that_wait(
    database: Database, outside: Outside, publisher: Publisher
) -> None:
    """A discarded dead letter keeps its status in `routes list`: the column of status says that it counts others."""
    accepted(database, [{"recipients_json": users(3), "channels_json": ["push"]}])
    outside.rows(BURY)
    letter = outside.row("SELECT min(id) AS id FROM dead_letters")["id"]
    assert publisher("dead-letters", "discard", f"dead-letter:{letter}", "--yes").returncode == 0

    table = publisher("status").stdout
    listed = publisher("routes", "list", "--status", "dead_letter", "--json").stdout

    assert "dead, waiting" in table
    assert status(publisher)["channels"]["push"]["dead_letter"] == 2
    assert len(listed.splitlines()) == 3
    assert "Discarded dead letters are not counted" in publisher("status", "--help").stdout
