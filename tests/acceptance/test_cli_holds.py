"""`publisher holds`: keeping routes back, seeing what is kept back and why, and letting it go (R29, R34)."""

import json
from typing import Any

import pytest

from storage.actions import ActionFilter, list_actions
from storage.claims import claim_these
from storage.database import Database
from storage.holds import HoldCriteria, add_hold, list_holds
from tests.acceptance.conftest import Publisher
from tests.factories import accepted
from tests.integration.rows import all_routes, change, due_routes
from tests.integration.storage.test_holds import TTL

ADD = ("holds", "add", "--type", "game.turn.ready", "--reason", "a wrong price", "--by", "ann")


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_what_is_held_is_counted_and_not_claimed(database: Database, publisher: Publisher) -> None:
    """The command says how many open routes match now; none of them can be claimed from then on."""
    ids = due_routes(database, 3)
    change(database, ids[:1], "status = 'published', next_attempt_at = NULL, published_at = now()")

    done = publisher(*ADD, "--channel", "email", "--yes")

    assert done.stdout == (
        "hold 1 holds channel email, type game.turn.ready: 2 open routes now, and all that follow\n"
    ), done.stderr
    [hold] = list_holds(database)
    assert hold.criteria == HoldCriteria(channel="email", notification_type="game.turn.ready")
    assert (hold.held_by, hold.reason) == ("ann", "a wrong price")
    assert claim_these(database, "email", ids, lease_ttl=TTL).ids == []


def test_a_dry_run_counts_and_changes_nothing(database: Database, publisher: Publisher) -> None:
    """It says what would be held, also of a route that an earlier release inserted without its type."""
    ids = due_routes(database, 3)
    change(database, ids, "notification_type = '', producer = ''")

    assert publisher(*ADD, "--dry-run").stdout == "3 open routes would be held\n"
    done = publisher(*ADD, "--producer", "game-service", "--dry-run", "--json")

    assert lines(done.stdout) == [{"held": 3, "at_least": False}]
    assert list_holds(database) == []


def test_a_hold_is_removed(database: Database, publisher: Publisher) -> None:
    """What it held may go, and the audit has both changes (R34)."""
    ids = due_routes(database, 2)
    publisher(*ADD, "--yes")

    done = publisher("holds", "remove", "1", "--by", "bob", "--yes")

    assert done.stdout == "hold 1 is removed: 2 open routes may go\n", done.stderr
    assert claim_these(database, "email", ids, lease_ttl=TTL).ids == ids
    actions = list_actions(database, ActionFilter(), before=None, limit=9)
    assert [(a.action, a.by, a.outcome.value, a.done) for a in actions] == [
        ("remove-hold", "bob", "done", 1),
        ("add-hold", "ann", "done", 1),
    ]
    assert actions[0].target == {"notification_type": "game.turn.ready", "hold": 1}


def test_holds_are_listed(database: Database, publisher: Publisher) -> None:
    """Each with what it matches, who set it, since when and why."""
    assert publisher("holds", "list").stdout == "there is no hold\n"
    due_routes(database, 1)
    publisher(*ADD, "--yes")
    publisher("holds", "add", "--recipient", "user:0", "--reason", "moved away", "--by", "bob", "--yes")

    records = lines(publisher("holds", "list", "--json").stdout)

    assert [(r["id"], r["notification_type"], r["recipient_ref"], r["held_by"], r["reason"]) for r in records] == [
        (1, "game.turn.ready", None, "ann", "a wrong price"),
        (2, None, "user:0", "bob", "moved away"),
    ]
    assert records[0]["held_at"].endswith("Z")
    table = " ".join(publisher("holds", "list").stdout.split())
    assert "a wrong price" in table
    assert "user:0" in table


def test_explain_says_who_holds_a_route_and_why(database: Database, publisher: Publisher) -> None:
    """By whom, since when, why, and the command that lets it go."""
    due_routes(database, 1)
    publisher(*ADD, "--yes")
    [route] = all_routes(database)
    change(database, [route["id"]], "expires_at = now() + interval '1 hour'")

    done = publisher("explain", f"{route['notification_id']}", "--json")

    [explained] = lines(done.stdout)
    assert explained["state"] == "held"
    assert "Held by ann since" in explained["why"][-1]
    assert "'a wrong price'. Hold 1 matches type game.turn.ready." in explained["why"][-1]
    assert explained["next"][0] == "It waits until the hold is removed: publisher holds remove 1"
    assert "it expires" in explained["next"][-1]


def test_status_mentions_holds(database: Database, publisher: Publisher) -> None:
    """They are no failure, and nobody wonders why routes wait."""
    due_routes(database, 1)
    add_hold(database, HoldCriteria(producer="shop"), "a wrong price", "ann")

    done = publisher("status")

    assert "1 hold in force, the newest by ann" in " ".join(done.stdout.split())
    assert "publisher holds list" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", "--reason", "why"), "say what to hold: --channel, --type, --producer, --recipient"),
        (("add", "--reason", " ", "--producer", "game-service"), "--reason must not be blank"),
        (("add", "--reason", "why", "--channel", "emial"), "there is no channel 'emial'"),
        (("add", "--reason", "why", "--type", "game.turn.raedy"), "game.turn.ready"),
        (("add", "--reason", "why", "--recipient", "7"), "'7' names no recipient: user:ID, or address:EMAIL"),
        (("remove", "7"), "there is no hold 7: 'publisher holds list' shows those there are"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    database: Database, publisher: Publisher, arguments: tuple[str, ...], why: str
) -> None:
    """A hold that would hold nothing, or everything, is an error that says what to write instead."""
    accepted(database)

    done = publisher("holds", *arguments, "--yes")

    assert done.returncode != 0
    assert why in " ".join(done.stderr.split())
    assert list_holds(database) == []


def test_nobody_is_asked_where_there_is_no_terminal(database: Database, publisher: Publisher) -> None:
    """Then --yes is wanted, and the question is shown."""
    due_routes(database, 1)

    done = publisher(*ADD)

    assert done.returncode == 2
    assert "Hold type game.turn.ready? 1 open route matches now." in " ".join(done.stderr.split())
    assert list_holds(database) == []
