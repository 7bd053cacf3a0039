"""`publisher routes cancel`: what is not published yet never is (R28, R34)."""

import json

import pytest

from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from storage.gates import pause
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, NO_SCANS, Outside, users
from tests.factories import accepted, intent_fields
from tests.integration.publishing.tombstones import die
from tests.integration.rows import due_routes
from tests.processes import Processes, run_on_terminal

OF_ROUTE = "FROM notifications AS n, routes AS r WHERE n.id = r.notification_key"
DONE = {"published": 0, "under_way": 0, "waiting": 0, "otherwise": 0, "missed": 0, "outcome": "done"}


@pytest.fixture
def waiting(database: Database, outside: Outside) -> Outside:
    """Three email routes and three push routes of one notification, accepted and not attempted."""
    accepted(database, [{"recipients_json": users(3)}])
    return outside


def statuses(outside: Outside) -> dict[str, str]:
    """The status of every route, by its id."""
    return {r["route_id"]: r["status"] for r in outside.rows("SELECT route_id, status FROM routes ORDER BY id")}


def test_what_waits_behind_a_paused_channel_is_never_sent(
    outside: Outside, processes: Processes, publisher: Publisher, database: Database
) -> None:
    """An operator pauses the channel, cancels one type, and resumes: the others are published, and none of it."""
    pause(database, "email", "ann", "wrong text")
    for name in ("intake", "worker"):
        processes.start(name, **NO_SCANS)
    kinds = ["game.reminder", "game.turn.ready"] * 10
    outside.send(*(intent_fields(channels_json=["email"], notification_type=kind) for kind in kinds))
    outside.wait_for_routes(pending=20)

    counted = publisher("routes", "cancel", "--type", "game.reminder", "--dry-run", "--json")
    done = publisher("routes", "cancel", "--type", "game.reminder", "--yes", "--json", "--by", "ann")

    assert json.loads(counted.stdout) == {"action": None, "matched": 10, "cancelled": 0, "outcome": None}
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"action": 2, "matched": 10, "cancelled": 10, **DONE} | {
        "action": json.loads(done.stdout)["action"]
    }
    assert publisher("channels", "resume", "email", "--yes").returncode == 0
    assert publisher("scheduler", "scan", "email").returncode == 0
    outside.wait_for_routes(published=10, cancelled=10)
    assert {command["template_id"] for command in map(_payload, outside.commands(EMAIL))} == {"game.turn.ready"}


def _payload(command: dict[str, str]) -> dict[str, str]:
    payload: dict[str, str] = json.loads(command["payload_json"])
    return payload


def test_one_delivery_is_cancelled_by_its_id(waiting: Outside, publisher: Publisher) -> None:
    """In any form of the id; a second time there is nothing left to cancel, which is a failure."""
    notification = waiting.row("SELECT notification_id::text AS id FROM notifications")["id"]
    done = publisher("routes", "cancel", f"{notification}/push:user:1", "--yes", "--by", "ann")

    assert (done.returncode, done.stdout, done.stderr) == (0, "1 matched, 1 cancelled (action 1)\n", "")
    assert statuses(waiting) == {
        **{f"{channel}:user:{n}": "pending" for channel in ("email", "push") for n in range(3)},
        "push:user:1": "cancelled",
    }
    again = publisher("routes", "cancel", notification, "push:user:1", "--yes")
    assert (again.returncode, "has no route that could be cancelled" in again.stderr) == (1, True)
    assert publisher("routes", "cancel", notification, "--yes").stdout == "5 matched, 5 cancelled (action 2)\n"
    shown = publisher("routes", "list", "--status", "cancelled", "--json").stdout.splitlines()
    assert {json.loads(line)["cancelled_by"] for line in shown} >= {"ann"}
    assert "no attempt was made" in publisher("explain", f"{notification}/push:user:1").stdout
    assert "cancelled by ann" in publisher("trace", notification).stdout
    assert json.loads(publisher("status", "--json").stdout)["channels"]["push"]["cancelled"] == 3


def test_what_was_attempted_is_settled_at_once(
    database: Database, streams: OutboundStreams, outside: Outside, publisher: Publisher
) -> None:
    """The command itself ends what is free, and says what is left: dead letters as well, and a route under lease."""
    [dead] = due_routes(database, 1)
    die(database, streams, dead)
    leased, free = due_routes(database, 2)
    outside.rows(f"UPDATE routes SET stream = '{EMAIL}' WHERE id IN ({leased}, {free}) RETURNING id")
    lease = "lease_token = 'x', lease_expires_at = now() + interval '1 hour'"
    outside.rows(f"UPDATE routes SET {lease} WHERE id = {leased} RETURNING id")

    notification = outside.row(f"SELECT n.notification_id::text AS id {OF_ROUTE} AND r.id = {leased}")["id"]

    done = publisher("routes", "cancel", "--all", "--yes", "--by", "ann")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "3 matched, 2 cancelled, 1 under way: cancelled once their attempts end without a command (action 1)\n"
    )
    assert outside.statuses() == {"cancelled": 2, "pending": 1}
    assert json.loads(publisher("actions", "show", "1", "--json").stdout)["done"] == 2
    assert "its attempt is under way" in publisher("explain", notification).stdout


def test_without_redis_what_was_attempted_ends_later(waiting: Outside, publisher: Publisher) -> None:
    """Routes that were never attempted are cancelled all the same; the others are marked, and it says so."""
    waiting.rows(f"UPDATE routes SET stream = '{EMAIL}' WHERE route_id = 'email:user:0' RETURNING id")

    done = publisher("routes", "cancel", "--channel", "email", "--yes", REDIS_URL="redis://127.0.0.1:1/0")

    assert done.returncode == 0
    assert "the marked routes are ended later" in done.stderr
    assert done.stdout.startswith("3 matched, 2 cancelled, 1 waiting to be ended: the next scan does that")


@pytest.mark.parametrize(("answer", "code", "count"), [("y\n", 0, 6), ("n\n", 1, 0)])
def test_it_asks_first(waiting: Outside, environ: dict[str, str], answer: str, code: int, count: int) -> None:
    """The question names the number, and that what is cancelled is never sent; only a yes goes on."""
    ended, shown = run_on_terminal(
        *("publisher", "routes", "cancel", "--all"), environ=environ, answer=answer, columns=120
    )

    assert "Cancel 6 routes? What is cancelled is never sent." in shown
    assert (ended, sum(status == "cancelled" for status in statuses(waiting).values())) == (code, count)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a notification or a delivery, or say which routes"),
        (["turn-17", "--all"], "--all is every route that has not ended, and turn-17 one notification or delivery"),
        (["--recipient", "address:"], "names no recipient: user:ID, or address:EMAIL"),
        (["--all", "--resume", "1"], "--resume takes its routes from the action: give no others"),
        (["--type", "game.turn.redy"], "did you mean game.turn.ready"),
        (["--producer", "game-servise"], "did you mean game-service"),
        (["--recipient", "ann@example.com"], "names no recipient: user:ID, or address:EMAIL"),
        (["--channel", "emial"], "did you mean email"),
    ],
)
def test_what_names_no_routes_is_an_error(
    waiting: Outside, publisher: Publisher, arguments: list[str], said: str
) -> None:
    """A misspelled name never passes for a filter that matches nothing."""
    done = publisher("routes", "cancel", *arguments, "--yes")

    assert (done.returncode != 0, said in done.stderr) == (True, True), done.stderr
    assert set(statuses(waiting).values()) == {"pending"}
