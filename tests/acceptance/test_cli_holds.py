"""`publisher holds`: keeping routes back, seeing what is kept back, and letting it go (R29, R34)."""

import json
from typing import Any

import pytest

from storage.actions import ActionFilter, list_actions
from storage.claiming.claims import claim_these
from storage.database import Database
from storage.holds import HoldCriteria, add_hold, list_holds
from tests.acceptance.conftest import Publisher
from tests.factories import accepted
from tests.integration.rows import change, due_routes
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


def test_another_hold_may_keep_what_is_let_go(database: Database, publisher: Publisher) -> None:
    """Then `remove` says how many routes may go, and which holds keep the others."""
    due_routes(database, 2)
    change(database, due_routes(database, 2), "notification_type = '', producer = ''")
    change(database, due_routes(database, 1), "producer = 'shop'")
    publisher(*ADD, "--yes")
    for reason in ("twice", "three times"):
        publisher("holds", "add", "--producer", "game-service", "--reason", reason, "--yes")

    asked = publisher("holds", "remove", "1")
    done = publisher("holds", "remove", "1", "--yes", "--json")
    again = publisher("holds", "remove", "2", "--yes")

    assert "? 1 open route may go, 4 are kept by hold 2." in " ".join(asked.stderr.split())
    [removed] = lines(done.stdout)
    assert {name: removed[name] for name in ("held", "at_least", "may_go", "held_by_others", "others")} == {
        "held": 5,
        "at_least": False,
        "may_go": 1,
        "held_by_others": 4,
        "others": [2],
    }
    assert again.stdout == "hold 2 is removed: 0 open routes may go, 4 are kept by hold 3\n"


def test_what_nothing_has_yet_is_held_from_its_first_notification_on(database: Database, publisher: Publisher) -> None:
    """A warning names the type and the producer, and what may be meant; the hold is set all the same."""
    accepted(database)

    done = publisher(
        *("holds", "add", "--type", "game.turn.raedy", "--producer", "shop", "--reason", "not yet", "--yes")
    )

    assert done.stderr.splitlines() == [
        "publisher: no notification has the type 'game.turn.raedy' yet; did you mean game.turn.ready?",
        "publisher: no notification has the producer 'shop' yet",
    ]
    assert (done.returncode, done.stdout) == (
        0,
        "hold 1 holds type game.turn.raedy, producer shop: 0 open routes now, and all that follow\n",
    )


def test_holds_are_listed(database: Database, publisher: Publisher) -> None:
    """Each with what it matches, who set it, since when and why."""
    assert publisher("holds", "list").stdout == "there is no hold\n"
    due_routes(database, 1)
    publisher(*ADD, "--yes")
    publisher("holds", "add", "--recipient", "user:0", "--reason", "moved away", "--by", "bob", "--yes")
    stranger = f"address:{'x' * 60}@example.com"
    add_hold(database, HoldCriteria(recipient_ref=stranger), "no such mailbox", "eve")

    records = lines(publisher("holds", "list", "--json").stdout)

    assert [(r["id"], r["notification_type"], r["recipient_ref"], r["held_by"], r["reason"]) for r in records] == [
        (1, "game.turn.ready", None, "ann", "a wrong price"),
        (2, None, "user:0", "bob", "moved away"),
        (3, None, stranger, "eve", "no such mailbox"),
    ]
    assert [(r["held"], r["at_least"]) for r in records] == [(1, False), (1, False), (0, False)]
    assert records[0]["held_at"].endswith("Z")
    table = " ".join(publisher("holds", "list").stdout.split())
    assert "a wrong price" in table
    assert "user:0" in table
    assert "keeps" in table
    assert f"address:{'x' * 31}…" in table


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", "--reason", "why"), "say what to hold: --channel, --type, --producer, --recipient"),
        (("add", "--reason", " ", "--producer", "game-service"), "--reason must not be blank"),
        (("add", "--reason", "why", "--channel", "emial"), "there is no channel 'emial'"),
        (("add", "--reason", "why", "--recipient", "user:"), "'user:' names no recipient: user:ID, or address:EMAIL"),
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


def test_the_same_hold_again_is_told(publisher: Publisher) -> None:
    """It is added all the same: each must be removed before anything goes."""
    publisher(*ADD, "--yes")

    again = publisher(*ADD, "--yes")

    assert "hold 1 by ann matches the same: both must be removed before anything goes" in again.stderr
    assert again.stdout.startswith("hold 2 holds type game.turn.ready")


def test_a_dry_run_of_a_removal_says_what_may_go(database: Database, publisher: Publisher) -> None:
    """And changes nothing (R34)."""
    due_routes(database, 2)
    publisher(*ADD, "--yes")

    dry = publisher("holds", "remove", "1", "--dry-run")

    assert dry.stdout == "hold 1 would be removed: 2 open routes may go\n"
    assert len(list_holds(database)) == 1


def test_a_blank_reason_is_refused_before_anything_is_asked(publisher: Publisher) -> None:
    """Nobody answers a question in vain."""
    done = publisher("holds", "add", "--producer", "shop", "--reason", " ")

    assert (done.returncode, done.stdout) == (2, "")
    assert "--reason must not be blank" in done.stderr
    assert "no terminal" not in done.stderr
