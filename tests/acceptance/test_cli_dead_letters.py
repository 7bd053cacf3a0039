"""`publisher dead-letters`: looking at what was given up, and taking it back (R3)."""

import json
import re

import pytest

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.final_routes import BURY
from tests.acceptance.outside import Outside, users
from tests.factories import accepted
from tests.processes import run_on_terminal

WAITING = "SELECT count(*) FROM dead_letters WHERE requeued_at IS NULL"


@pytest.fixture
def buried(database: Database, outside: Outside) -> Outside:
    """Three dead email routes and three dead push routes, given up on 15 to 20 March, in this order."""
    accepted(database, [{"recipients_json": users(3)}])
    outside.rows(BURY)
    return outside


@pytest.fixture
def one(buried: Outside) -> str:
    """The notification's id."""
    return str(buried.row("SELECT notification_id FROM notifications")["notification_id"])


def listed(publisher: Publisher, *arguments: str) -> list[str]:
    """The route ids that are listed with these arguments."""
    done = publisher("dead-letters", "list", "--json", *arguments)
    # Where nothing is listed, a sentence says so.
    assert (done.returncode, bool(done.stderr)) == (0, not done.stdout)
    return [json.loads(line)["route_id"] for line in done.stdout.splitlines()]


def test_a_list_is_newest_first_filtered_and_paged(buried: Outside, publisher: Publisher) -> None:
    """Filters narrow together; `--before` goes on where a page ended."""
    everything = [f"{channel}:user:{n}" for channel in ("push", "email") for n in (2, 1, 0)]
    assert listed(publisher) == everything
    assert listed(publisher, "--classification", "email_failed", "--type", "game.turn.ready") == everything[3:]
    assert listed(publisher, "--since", "2026-03-16", "--until", "2026-03-18", "--channel", "email") == [
        *("email:user:2", "email:user:1"),
    ]
    page = publisher("dead-letters", "list", "--limit", "2").stdout
    (before,) = [line.rpartition(" ")[2] for line in page.splitlines() if line.startswith("more: --before")]
    assert listed(publisher, "--limit", "2", "--before", before) == everything[2:4]


def test_one_is_shown_whole(one: str, publisher: Publisher) -> None:
    """Everything that was recorded, by either form of the id."""
    done = publisher("dead-letters", "show", f"{one}/push:user:1", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert (
        json.loads(done.stdout).items()
        >= {
            "delivery_id": f"{one}/push:user:1",
            "classification": "push_failed",
            "message": "no such luck",
            "attempt_count": 6,
            "requeued_at": None,
            "requeued_by": None,
        }.items()
    )
    assert "no such luck" in publisher("dead-letters", "show", one, "push:user:1").stdout


def test_one_is_requeued_and_says_by_whom_and_when(buried: Outside, one: str, publisher: Publisher) -> None:
    """The route is pending and due with all its attempts; its dead letter keeps who and when; once is enough (R3)."""
    done = publisher("dead-letters", "requeue", one, "email:user:1", "--by", "ann", "--yes")

    assert (done.returncode, done.stdout, done.stderr) == (0, "1 matched, 1 requeued (action 1)\n", "")
    assert buried.rows(
        "SELECT route_id, status, routes.attempt_count, next_attempt_at <= now() AS due, requeued_by,"
        " now() - requeued_at < interval '1 minute' AS just_now FROM routes"
        " JOIN notifications AS n ON n.id = notification_key JOIN dead_letters USING (notification_id, route_id)"
        " WHERE requeued_at IS NOT NULL"
    ) == [
        {
            "route_id": "email:user:1",
            "status": "pending",
            "attempt_count": 0,
            "due": True,
            "requeued_by": "ann",
            "just_now": True,
        }
    ]
    assert "email:user:1" not in listed(publisher)
    assert "email:user:1" in listed(publisher, "--all")
    again = publisher("dead-letters", "requeue", one, "email:user:1", "--yes")
    assert again.returncode == 1
    assert "no dead letter that waits: ann requeued dead letter" in again.stderr


def test_all_that_match_are_requeued(buried: Outside, publisher: Publisher) -> None:
    """A filter takes back what it matches and leaves the rest."""
    done = publisher("dead-letters", "requeue", "--channel", "push", "--until", "2026-03-20", "--yes", "--json")

    assert (done.returncode, json.loads(done.stdout)) == (
        0,
        {"action": 1, "matched": 2, "requeued": 2, "past_deadline": 0, "outcome": "done"},
    )
    assert buried.statuses() == {"pending": 2, "dead_letter": 4}
    done = publisher("dead-letters", "requeue", "--all", "--yes", "--json")
    assert json.loads(done.stdout) == {
        "action": 2,
        "matched": 4,
        "requeued": 4,
        "past_deadline": 0,
        "outcome": "done",
    }
    assert buried.statuses() == {"pending": 6}


@pytest.mark.parametrize("arguments", [["--dry-run", "--yes"], ["--dry-run"]])
def test_a_dry_run_only_counts(buried: Outside, publisher: Publisher, arguments: list[str]) -> None:
    """With --dry-run the count is all that happens; no action is recorded."""
    done = publisher("dead-letters", "requeue", "--channel", "email", *arguments)

    assert (done.returncode, done.stdout, done.stderr) == (0, "3 matched, 0 requeued\n", "")
    assert buried.row(WAITING) == {"count": 6}
    assert buried.rows("SELECT * FROM operator_actions") == []


def test_what_is_past_its_deadline_is_left_and_said(buried: Outside, publisher: Publisher) -> None:
    """A route that would never be sent is not called requeued: it is counted, in a dry run as well, and stays (R3)."""
    buried.rows(
        "UPDATE routes SET expires_at = now() - interval '1 hour' WHERE channel = 'email' AND id IN"
        " (SELECT id FROM routes WHERE channel = 'email' ORDER BY id LIMIT 2) RETURNING id"
    )

    dry = publisher("dead-letters", "requeue", "--channel", "email", "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, "1 matched, 0 requeued; 2 past their deadline: left\n")

    done = publisher("dead-letters", "requeue", "--channel", "email", "--yes")
    assert (done.returncode, done.stdout) == (
        0,
        "1 matched, 1 requeued (action 1); 2 past their deadline: left\n",
    )
    assert buried.statuses() == {"pending": 1, "dead_letter": 5}

    again = publisher("dead-letters", "requeue", "--channel", "email", "--yes", "--json")
    assert json.loads(again.stdout) == {
        "action": None,
        "matched": 0,
        "requeued": 0,
        "past_deadline": 2,
        "outcome": None,
    }


def test_without_a_terminal_to_ask_on_nothing_is_requeued(buried: Outside, publisher: Publisher) -> None:
    """Without --yes the count is said, and an answer that cannot be had is a no: exit code 2."""
    done = publisher("dead-letters", "requeue", "--channel", "email", stdin="y\n")

    assert (done.returncode, done.stdout) == (2, "")
    assert "Requeue 3 dead letters?" in done.stderr
    assert "pass --yes" in done.stderr
    assert done.stderr.count("\n") == 1
    assert buried.row(WAITING) == {"count": 6}


@pytest.mark.parametrize(("answer", "waiting"), [("y\n", 3), ("n\n", 6), ("\n", 6)])
def test_on_a_terminal_the_count_is_said_and_the_answer_kept_to(
    buried: Outside, environ: dict[str, str], answer: str, waiting: int
) -> None:
    """Only a yes requeues."""
    code, shown = run_on_terminal(
        *("publisher", "dead-letters", "requeue", "--channel", "email"), environ=environ, answer=answer
    )

    assert "Requeue 3 dead letters?" in shown
    assert buried.row(WAITING) == {"count": waiting}
    assert (code == 0) == (waiting == 3)
    assert "Traceback" not in shown


def test_what_no_requeue_helps_is_discarded(one: str, buried: Outside, publisher: Publisher) -> None:
    """Counted, asked and audited as a requeue is; afterwards it is listed with --all alone, and nobody requeues it."""
    push = ("--channel", "push")
    dry = publisher("dead-letters", "discard", *push, "--dry-run", "--json")
    done = publisher("dead-letters", "discard", *push, "--by", "ann", "--yes", REDIS_URL="redis://127.0.0.1:1/0")

    assert json.loads(dry.stdout) == {"action": None, "matched": 3, "discarded": 0, "outcome": None}
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 matched, 3 discarded (action 1)\n", "")
    assert listed(publisher, *push) == []
    assert len(listed(publisher, *push, "--all")) == 3
    again = publisher("dead-letters", "requeue", f"{one}/push:user:1", "--yes")
    assert again.returncode == 1
    assert re.search(
        rf"{one}/push:user:1 has no dead letter that waits: ann discarded dead letter \d+ at 20", again.stderr
    )
    assert buried.row("SELECT action, by, matched, done, outcome FROM operator_actions") == {
        "action": "discard-dead-letters",
        "by": "ann",
        "matched": 3,
        "done": 3,
        "outcome": "done",
    }
    shown = publisher("explain", f"{one}/push:user:1").stdout
    assert "ann discarded it" in shown
    assert "discarded by ann" in shown
