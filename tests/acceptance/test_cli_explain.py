"""`publisher explain`: why a route is where it is, and what comes next."""

import json
from datetime import timedelta

import pytest

from publisher.domain.attempt import DeadLettered, Failure, Published, Rescheduled
from storage.claiming.claims import claim_due
from storage.database import Database
from storage.gates import pause
from storage.outcomes.outcomes import complete
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside, users
from tests.factories import accepted
from tests.processes import run_on_terminal

HOSTILE = "evil \x1b[31m\nline \u202e"


@pytest.fixture
def id_(database: Database) -> str:
    """A notification: its email routes published, failed, dead-lettered and skipped, its push routes paused."""
    recipients = [*users(3), {"user_id": "9"}]
    notification = accepted(database, [{"recipients_json": recipients}]).accepted[0].intent.notification_id
    claim = claim_due(database, "email", limit=10, lease_ttl=timedelta(seconds=30))
    published, failed, dead = [claimed.route for claimed in claim.routes]
    failure = Failure.of("mail_stream_publish_failed", HOSTILE)
    complete(database, claim.token, [Published(published, "17-1")])
    complete(database, claim.token, [Rescheduled(failed, failure, 1, timedelta(hours=1))])
    complete(database, claim.token, [DeadLettered(dead, failure, 16)])
    pause(database, "push", "ann", "mail server moves")
    return notification


def explained(publisher: Publisher, *arguments: str) -> dict[str, dict[str, object]]:
    """What --json prints, by route id."""
    done = publisher("explain", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return {route["route_id"]: route for route in map(json.loads, done.stdout.splitlines())}


def test_each_route_of_a_notification_is_explained(id_: str, publisher: Publisher) -> None:
    """A notification id alone explains all of its routes, each in its own state."""
    routes = explained(publisher, id_)

    assert {route_id: (route["status"], route["state"]) for route_id, route in routes.items()} == {
        "email:user:0": ("published", "published"),
        "email:user:1": ("failed", "waiting"),
        "email:user:2": ("dead_letter", "dead_letter"),
        "email:user:9": ("skipped", "skipped"),
        **{f"push:user:{n}": ("pending", "paused") for n in (0, 1, 2, 9)},
    }


def test_a_route_is_explained_with_its_history(id_: str, publisher: Publisher) -> None:
    """One route, by either form of its id: why, what next and when, its failures and its dead letters."""
    failed = explained(publisher, id_, "email:user:1")["email:user:1"]
    [dead] = explained(publisher, f"{id_}/email:user:2").values()

    assert str(failed["next"]).startswith("['Due in ")
    assert failed["next_at"] == failed["next_attempt_at"]
    [failure] = failed["failures"]  # type: ignore[misc, attr-defined]
    assert failure == {
        "attempt_number": 1,
        "classification": "mail_stream_publish_failed",
        "message": HOSTILE.strip(),
        "failed_at": failed["last_failure_at"],
    }
    assert failed["dead_letters"] == []
    [letter] = dead["dead_letters"]  # type: ignore[misc, attr-defined]
    assert (letter["attempt_count"], letter["requeued_by"]) == (16, None)
    assert "lease_token" not in failed


def test_a_person_reads_why_and_what_next(id_: str, publisher: Publisher) -> None:
    """The plain form says it in words, with who paused the channel, and the command that goes on from there."""
    paused = publisher("explain", id_, "push:user:1").stdout
    dead = publisher("explain", id_, "email:user:2").stdout

    assert f"{id_}/push:user:1  pending, paused" in paused
    assert "Channel push is paused by ann since" in paused
    assert "'mail server moves'" in paused
    assert f"publisher dead-letters requeue {id_}/email:user:2" in dead
    assert "attempt 16 failed: mail_stream_publish_failed" in dead


def test_the_command_that_is_offered_works(id_: str, publisher: Publisher, outside: Outside) -> None:
    """What explain says to do for a dead letter can be done as it stands."""
    offered = next(line for line in publisher("explain", id_, "email:user:2").stdout.splitlines() if "requeue" in line)
    command = offered[offered.index("publisher ") :].split()

    assert publisher(*command[1:], "--yes", "--by", "bob").returncode == 0

    after = publisher("explain", id_, "email:user:2").stdout
    assert "Open again, with all 16 attempts before it." in after
    assert "taken back by bob" in after


def test_a_hostile_message_is_printed_safely(id_: str, environ: dict[str, str]) -> None:
    """Whatever a failure's text holds, a terminal obeys none of it; nothing is wider than 80 columns."""
    code, shown = run_on_terminal("publisher", "explain", id_, "email:user:1", environ=environ | {"NO_COLOR": "1"})

    assert code == 0
    assert "\x1b[31m" not in shown
    assert "\u202e" not in shown
    assert "evil ?[31m" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_many_routes_are_bounded_and_it_says_so(id_: str, publisher: Publisher) -> None:
    """Of more routes than the bound the first are explained, and how to see the others."""
    done = publisher("explain", id_, "--limit", "3")

    assert done.stdout.count("so far") == 3
    assert done.stdout.splitlines()[-1] == "3 of 8 routes: name one, or --limit 8"
    assert len(explained(publisher, id_, "--limit", "3")) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11"],
            1,
            "nothing has the id 'b4c2",
        ),
        (
            ["b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:7"],
            1,
            "Searched: every notification id and delivery id; every idempotency key",
        ),
        (["{id}", "email:user:77"], 1, "there is no route {id}/email:user:77: see 'publisher explain {id}'"),
        (
            ["turn-18"],
            1,
            "nothing has the id 'turn-18'. Searched: every idempotency key; the keys",
        ),
    ],
)
def test_what_is_not_there_is_not_explained(
    id_: str, publisher: Publisher, arguments: list[str], code: int, said: str
) -> None:
    """An id that nothing has is one line on standard error that names it."""
    done = publisher("explain", *(a.format(id=id_) for a in arguments))

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert said.format(id=id_) in done.stderr


def test_a_pruned_notification_is_told_as_pruned(id_: str, publisher: Publisher, outside: Outside) -> None:
    """Of a pruned notification it is said that there was one, and since when there is not (R18)."""
    outside.rows(
        "INSERT INTO pruned_notifications SELECT notification_id, request_fingerprint, now() FROM notifications;"
        " DELETE FROM routes; DELETE FROM notifications"
    )

    done = publisher("explain", id_)

    assert done.returncode == 1
    assert f"notification {id_} was pruned 20" in done.stderr
