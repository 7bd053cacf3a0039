"""A producer takes an intent back: with an entry of the stream, and the answer that `trace` shows (R28)."""

import json
from typing import Any

import pytest

from publisher.domain.notification import notification_id_of
from storage.database import Database
from storage.gates import pause, resume
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, PUSH, Outside
from tests.factories import intent_fields
from tests.processes import Processes
from tests.waiting import wait_until

KEY = "turn-17"
CANCELS = {"producer": "game-service", "cancels": KEY}
ID = notification_id_of("game-service", KEY)
FAST = {"PUBLISHER_SCAN_INTERVAL": "1"}


@pytest.fixture
def running(processes: Processes, outside: Outside) -> Outside:
    """Intake, a worker and the clock."""
    for name in ("intake", "worker", "scheduler"):
        processes.start(name, **FAST)
    return outside


def lines(publisher: Publisher, *arguments: str) -> list[dict[str, Any]]:
    """The lines that trace --json prints."""
    done = publisher("trace", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def answer(publisher: Publisher, id_: str) -> str:
    """The answer that trace shows of the cancellation that this id leads to."""
    [found] = [line["answer"] for line in lines(publisher, id_) if line["kind"] == "cancellation"]
    return str(found)


def test_what_waits_is_cancelled_and_the_answer_is_found_from_every_side(
    running: Outside, publisher: Publisher, database: Database
) -> None:
    """By the entry of the intent, that of the cancellation, the notification, and producer and key."""
    for channel in ("email", "push"):
        pause(database, channel, "ann", "maintenance")
    [intent] = running.send(intent_fields(idempotency_key=KEY))
    running.wait_for_routes(pending=2)
    [cancellation] = running.send(CANCELS)
    running.wait_for_routes(cancelled=2)
    running.wait_until_acknowledged()

    for id_ in (intent, cancellation, ID, f"game-service/{KEY}", KEY):
        assert answer(publisher, id_) == "cancelled 2 routes"
    assert f"entry {cancellation}: cancelled 2 routes" in publisher("trace", intent).stdout
    [entry, *_] = lines(publisher, cancellation)
    assert (entry["fate"], entry["notification_id"]) == ("cancellation", ID)
    for channel in ("email", "push"):
        resume(database, channel)
    publisher("scheduler", "scan", "--wait")
    assert (running.commands(EMAIL), running.commands(PUSH)) == ([], [])


def test_too_late_says_when_it_was_published_and_as_what(running: Outside, publisher: Publisher) -> None:
    """The answer names the instant and the entry."""
    running.send(intent_fields(idempotency_key=KEY, channels_json=["email"]))
    running.wait_for_routes(published=1)
    running.send(CANCELS)
    wait_until(lambda: running.rows("SELECT 1 FROM cancellations WHERE answered_at IS NOT NULL"))

    said = answer(publisher, ID)

    assert said.startswith("too late for 1 route: published ")
    assert said.endswith(f" as entry {running.redis.xrange(EMAIL)[0][0]}")


def test_partly_says_both(running: Outside, publisher: Publisher, database: Database) -> None:
    """One channel was faster than the cancellation."""
    pause(database, "push", "ann", "maintenance")
    running.send(intent_fields(idempotency_key=KEY))
    running.wait_for_routes(pending=1, published=1)
    running.send(CANCELS)
    running.wait_for_routes(cancelled=1, published=1)
    running.wait_until_acknowledged()

    assert answer(publisher, ID).startswith("partly: cancelled 1 route, too late for 1 route: published ")


def test_one_that_comes_first_waits_for_its_intent(running: Outside, publisher: Publisher) -> None:
    """It is kept, is found, and cancels the intent on arrival; a repetition of it changes nothing."""
    [cancellation, again] = running.send(CANCELS, CANCELS)
    wait_until(lambda: running.rows("SELECT 1 FROM cancellations"))
    running.wait_until_acknowledged()
    for id_ in (cancellation, ID, f"game-service/{KEY}"):
        assert answer(publisher, id_) == "waits for its intent, which is cancelled when it comes"
    shown = publisher("trace", again).stdout
    assert f"It changed nothing: it repeats entry {cancellation}, waits for its intent" in shown

    running.send(intent_fields(idempotency_key=KEY))
    running.wait_for_routes(cancelled=2)

    assert answer(publisher, ID) == "cancelled 2 routes"
    assert (running.commands(EMAIL), running.commands(PUSH)) == ([], [])


def test_a_route_in_a_workers_hands_is_answered_once_it_has_ended(
    running: Outside, publisher: Publisher, database: Database
) -> None:
    """A killed worker's lease runs out, a scan ends the route, and the answer is given: nothing was sent."""
    pause(database, "email", "ann", "maintenance")
    running.send(intent_fields(idempotency_key=KEY, channels_json=["email"]))
    running.wait_for_routes(pending=1)
    leased = f"stream = '{EMAIL}', lease_token = 'killed', lease_expires_at = now() + interval '5 seconds'"
    running.rows(f"UPDATE routes SET {leased}")
    running.send(CANCELS)
    wait_until(lambda: running.rows("SELECT 1 FROM cancellations"))
    assert answer(publisher, ID) == "under way: answered once none of the routes is open any more"

    running.wait_for_routes(cancelled=1)
    wait_until(lambda: running.rows("SELECT 1 FROM cancellations WHERE answered_at IS NOT NULL"))

    assert answer(publisher, ID) == "cancelled 1 route"
    assert running.commands(EMAIL) == []


def test_a_person_sends_one_as_a_line(outside: Outside, publisher: Publisher) -> None:
    """`publisher intents send` takes cancellations beside intents, and shows how to look them up."""
    line = json.dumps(CANCELS)

    done = publisher("intents", "send", "-", stdin=f"{line}\n")

    assert (done.returncode, done.stderr) == (0, "")
    assert "cancels          what of it is not published yet" in done.stdout
    assert done.stdout.endswith("1 sent, 0 refused\n")
    assert outside.commands("notification:intents") == [CANCELS]
    checked = publisher("intents", "send", "-", "--check", "--json", stdin=f"{line}\n")
    assert json.loads(checked.stdout)["intents"][0]["cancels"] == KEY
