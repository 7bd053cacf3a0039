"""An id that names several things is answered with a line for each: nothing is guessed."""

from collections.abc import Mapping
from pathlib import Path

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside
from tests.factories import INTENTS, accept, accepted, incoming
from tests.integration.rows import execute
from tests.terminals import Terminal


def test_a_number_of_several_kinds_is_listed_and_never_guessed(
    ids: Mapping[str, str], outside: Outside, publisher: Publisher
) -> None:
    """Each thing of this number comes with the line that names it alone; every line works as it stands."""
    outside.rows(
        "INSERT INTO operator_actions (id, action, by, target, matched, begun_at) OVERRIDING SYSTEM VALUE"
        " VALUES (51, 'prune', 'bob', '{}', 0, now())"
    )

    done = publisher("explain", "51")

    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines[0] == "publisher: '51' names 2 things: choose one"
    assert [line.strip() for line in lines[1::2]] == ["publisher malformed show 51", "publisher actions show 51"]
    assert publisher("malformed", "show", "51").returncode == publisher("actions", "show", "51").returncode == 0


def test_a_key_of_two_producers_is_listed_and_never_guessed(
    ids: Mapping[str, str], database: Database, publisher: Publisher
) -> None:
    """`explain` lists both notifications; `trace` shows both, as it does whatever has the id."""
    accept(database, INTENTS, [incoming("9-0", producer="other", idempotency_key="turn-17")], [])

    done = publisher("explain", "turn-17", "--json")
    shown = publisher("trace", "turn-17", "--json").stdout

    assert (done.returncode, done.stdout) == (2, "")
    assert "of game-service, key turn-17" in done.stderr
    assert "of other, key turn-17" in done.stderr
    assert f"  publisher explain {ids['notification']}\n" in done.stderr
    assert len(shown.splitlines()) == 2


def test_a_choice_fits_a_narrow_terminal_and_can_be_pasted(
    ids: Mapping[str, str], environ: dict[str, str], tmp_path: Path
) -> None:
    """A command that is wider than the terminal goes on behind a backslash, as a shell reads it."""
    terminal = Terminal("publisher dead-letters requeue email:user:7", environ, 60, tmp_path)
    screen = terminal.wait()

    assert screen.code == 2
    assert max(map(len, screen.printed)) <= 60
    assert screen.printed[-3:] == (
        "  publisher dead-letters requeue \\",
        f"    {ids['delivery']}",
        "    dead_letter",
    )


def test_a_route_id_alone_is_told_with_the_newest_routes_of_it(ids: Mapping[str, str], publisher: Publisher) -> None:
    """A route id names a route within a notification: it is never taken for one route."""
    done = publisher("explain", "email:user:7")

    assert done.returncode == 2
    assert "'email:user:7' is a route id" in done.stderr
    assert f"publisher explain {ids['delivery']}" in done.stderr


def test_a_key_means_what_has_routes_before_a_cancellation_that_waits(database: Database, publisher: Publisher) -> None:
    """Another producer's cancellation of the same key, whose intent has not come, is in nobody's way (R28)."""
    accepted(database, [{"producer": "game", "idempotency_key": "turn-17"}])
    waiting = "INSERT INTO cancellations (notification_id, producer, idempotency_key, intent_entry_id, requested_at,"
    for key in ("turn-17", "turn-18"):
        execute(
            database,
            f"{waiting} awaits_intent) VALUES (gen_random_uuid(), 'shop', %s, '9-0', now(), true)",
            key,
        )

    assert publisher("explain", "turn-17").returncode == 0
    assert publisher("routes", "cancel", "turn-17", "--dry-run").stdout.startswith("2 matched")
    alone = publisher("explain", "turn-18")
    assert alone.returncode == 2
    assert "is cancellation of key turn-18 by shop, which waits for its intent" in " ".join(alone.stderr.split())
    assert "waits for its intent, which is cancelled when it comes" in publisher("trace", "turn-18").stdout
