"""`publisher explain` and `publisher status` name the holds that keep routes back (R29, R34)."""

from storage.claiming.claims import claim_these
from storage.database import Database
from storage.gates import pause
from storage.holds import HoldCriteria, add_hold
from tests.acceptance.conftest import Publisher
from tests.acceptance.test_cli_holds import ADD, lines
from tests.integration.rows import all_routes, change, due_routes
from tests.integration.storage.test_holds import TTL


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
    [hold] = explained["holds"]
    assert (hold["id"], hold["notification_type"], hold["held_by"]) == (1, "game.turn.ready", "ann")


def test_explain_names_a_hold_behind_a_pause(database: Database, publisher: Publisher) -> None:
    """Resumed, the channel lets nothing of it go: both commands are named, and work as they stand."""
    ids = due_routes(database, 1)
    publisher(*ADD, "--yes")
    pause(database, "email", "bob", "maintenance")
    id_ = str(all_routes(database)[0]["notification_id"])

    [explained] = lines(publisher("explain", id_, "--json").stdout)

    assert (explained["state"], [hold["id"] for hold in explained["holds"]]) == ("paused", [1])
    said, *commands = explained["next"]
    assert said == "It waits until the channel is resumed and hold 1 is removed."
    for command in commands:
        assert claim_these(database, "email", ids, lease_ttl=TTL).ids == []
        assert publisher(*command.partition(": publisher ")[2].split(), "--yes").returncode == 0
    assert claim_these(database, "email", ids, lease_ttl=TTL).ids == ids


def test_explain_names_every_hold_that_matches(database: Database, publisher: Publisher) -> None:
    """The first with all that is known of it, the others by their numbers: each must be removed."""
    due_routes(database, 1)
    publisher(*ADD, "--yes")
    for producer in ("game-service", "shop", "game-service"):
        add_hold(database, HoldCriteria(producer=producer), "under review", "bob")

    [explained] = lines(publisher("explain", f"{all_routes(database)[0]['notification_id']}", "--json").stdout)

    assert explained["why"][-1].endswith("Hold 1 matches type game.turn.ready. Holds 2, 4 match it as well.")
    assert explained["next"][0] == ("It waits until all 3 holds are removed, the first with: publisher holds remove 1")


def test_status_mentions_holds(database: Database, publisher: Publisher) -> None:
    """They are no failure, and nobody wonders why routes wait."""
    due_routes(database, 1)
    add_hold(database, HoldCriteria(producer="shop"), "a wrong price", "ann")

    done = publisher("status")

    assert "1 hold in force, the newest by ann" in " ".join(done.stdout.split())
    assert "publisher holds list" in " ".join(done.stdout.split())
