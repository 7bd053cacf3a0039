"""`publisher routes republish`: sending again what was published, for the day a consumer lost its stream (R34)."""

import json

import pytest

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.final_routes import PUBLISH
from tests.acceptance.outside import EMAIL, NO_SCANS, Outside, users
from tests.factories import accepted, intent_fields
from tests.processes import Processes, run_on_terminal

WINDOW = ("--since", "2026-03-01")


@pytest.fixture
def published(database: Database, outside: Outside) -> Outside:
    """Three email routes and three push routes of one notification, published on 15 to 20 March, in this order."""
    accepted(database, [{"recipients_json": users(3)}])
    outside.rows(PUBLISH)
    return outside


def pending(outside: Outside) -> list[str]:
    """The route ids that are pending."""
    return [r["route_id"] for r in outside.rows("SELECT route_id FROM routes WHERE status = 'pending' ORDER BY id")]


def test_a_consumer_that_lost_its_stream_gets_every_command_again_under_the_same_id(
    outside: Outside, processes: Processes, publisher: Publisher
) -> None:
    """The very commands stand on the stream a second time, at once and within the dedup window (R1, R22, item 3)."""
    for name in ("intake", "worker"):
        processes.start(name, **NO_SCANS)
    outside.send(*(intent_fields(channels_json=["email"]) for _ in range(20)))
    outside.wait_for_routes(published=20)
    first = outside.commands(EMAIL)
    outside.redis.xtrim(EMAIL, maxlen=0)

    done = publisher("routes", "republish", *WINDOW, "--channel", "email", "--yes", "--json", **NO_SCANS)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"action": 1, "matched": 20, "republished": 20, "outcome": "done"}
    outside.wait_for_routes(published=20)
    again = outside.commands(EMAIL)
    assert sorted(c["delivery_id"] for c in again) == sorted(c["delivery_id"] for c in first)
    assert sorted(map(str, again)) == sorted(map(str, first))
    assert outside.rows("SELECT DISTINCT replay FROM routes") == [{"replay": 1}]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--since", "2026-03-16", "--until", "2026-03-19"], ["email:user:1", "email:user:2", "push:user:0"]),
        (["--since", "2026-03-16 00:00:00.001Z", "--channel", "email"], ["email:user:2"]),
        ([*WINDOW, "--type", "game.turn.ready", "--channel", "push"], [f"push:user:{n}" for n in range(3)]),
        (["--since", "2026-04-01"], []),
    ],
)
def test_a_window_is_narrowed_by_channel_and_type(
    published: Outside, publisher: Publisher, arguments: list[str], expected: list[str]
) -> None:
    """What matches everything that is given is published again, and nothing else."""
    done = publisher("routes", "republish", *arguments, "--yes", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert (report["matched"], report["republished"]) == (len(expected), len(expected))
    assert pending(published) == expected
    assert len(published.rows("SELECT * FROM operator_actions")) == bool(expected)


def test_one_delivery_is_republished_by_its_id(published: Outside, publisher: Publisher) -> None:
    """In either form of the id; a second time there is nothing published to take, which is a failure."""
    notification = published.row("SELECT notification_id::text AS id FROM notifications")["id"]
    done = publisher("routes", "republish", f"{notification}/push:user:1", "--yes", "--by", "ann")

    assert (done.returncode, done.stdout, done.stderr) == (0, "1 matched, 1 republished (action 1)\n", "")
    assert pending(published) == ["push:user:1"]
    assert json.loads(publisher("routes", "show", f"{notification}/push:user:1", "--json").stdout)["replay"] == 1
    again = publisher("routes", "republish", notification, "push:user:1", "--yes")
    assert again.returncode == 1
    assert f"{notification} has no published route" in again.stderr
    assert publisher("routes", "republish", notification, "--yes").returncode == 0
    assert len(pending(published)) == 6


def test_a_dry_run_only_counts(published: Outside, publisher: Publisher) -> None:
    """No route changes, and no action is recorded."""
    done = publisher("routes", "republish", *WINDOW, "--dry-run", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"action": None, "matched": 6, "republished": 0, "outcome": None}
    assert pending(published) == []
    assert published.rows("SELECT * FROM operator_actions") == []


@pytest.mark.parametrize(("answer", "code", "count"), [("y\n", 0, 6), ("n\n", 1, 0)])
def test_it_asks_first_and_says_what_consumers_will_see(
    published: Outside, environ: dict[str, str], answer: str, code: int, count: int
) -> None:
    """The question names the number, and that the same delivery ids come again; only a yes goes on."""
    ended, shown = run_on_terminal(
        *("publisher", "routes", "republish", *WINDOW), environ=environ, answer=answer, columns=120
    )

    assert "Publish 6 routes again? Their consumers will see these delivery ids once more." in shown
    assert (ended, len(pending(published))) == (code, count)
    assert "Traceback" not in shown


def test_without_redis_the_routes_are_due_all_the_same(published: Outside, publisher: Publisher) -> None:
    """The wake-up is a hint: the next scan finds what it did not tell of (R14)."""
    done = publisher("routes", "republish", *WINDOW, "--yes", REDIS_URL="redis://127.0.0.1:1/0")

    assert (done.returncode, done.stdout) == (0, "6 matched, 6 republished (action 1)\n")
    assert done.stderr.count("a message was not sent") == 1
    assert len(pending(published)) == 6
