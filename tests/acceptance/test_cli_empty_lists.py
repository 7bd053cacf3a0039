"""A listing that finds nothing says what it looked for: in one sentence, and never an empty table."""

import pytest

from storage.actions import begin_action
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.malformed_intents import record_intent
from tests.factories import accepted

EMPTY = {
    "routes list --channel email --status failed --before 1234": (
        "there is no route of channel email, of status failed, before 1234"
    ),
    "dead-letters list": "there is no waiting dead letter",
    "dead-letters list --all --since 2026-03-14": "there is no dead letter given up since 2026-03-14 00:00:00.000Z",
    "dead-letters list --channel push --type game.turn.ready --classification lease_expired": (
        "there is no waiting dead letter of channel push, of type game.turn.ready, of classification lease_expired"
    ),
    "malformed list --code poison": "there is no waiting malformed intent of code poison",
    "malformed list --resubmitted": "there is no resubmitted malformed intent",
    "malformed list --all --stream notification:intent": (
        "there is no malformed intent of stream notification:intent; did you mean --stream notification:intents"
        " or --stream notification:delivery_events?"
    ),
    "actions list --action requeue-dead-leters": (
        "there is no action of kind requeue-dead-leters; did you mean --action requeue-dead-letters?"
    ),
    "actions list --by anne --outcome failed": (
        "there is no action by anne, of outcome failed; did you mean --by ann?"
    ),
    "intents losses list": "there is no loss of intents that nobody has acknowledged",
    "intents losses list --all": "there is no loss of intents",
}


@pytest.fixture
def records(database: Database) -> None:
    """One record of each kind, but for dead letters and losses."""
    accepted(database)
    record_intent(database)
    begin_action(database, "requeue-dead-letters", "ann", {}, 1)


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("command", EMPTY)
def test_nothing_found_is_a_sentence(command: str, publisher: Publisher) -> None:
    """Exit code 0. With --json the sentence goes to standard error, and standard output is empty."""
    people, programs = publisher(*command.split()), publisher(*command.split(), "--json")

    assert (people.returncode, people.stdout, people.stderr) == (0, f"{EMPTY[command]}\n", "")
    assert (programs.returncode, programs.stdout, programs.stderr) == (0, "", f"publisher: {EMPTY[command]}\n")


def test_a_key_of_another_producer_is_told_with_the_producers_that_have_it(
    database: Database, publisher: Publisher
) -> None:
    """Or with one that is spelled nearly so, if none has the key."""
    accepted(database, [{"idempotency_key": "turn-17"}])

    of_others = publisher("trace", "turn-17", "--producer", "chess")
    of_none = publisher("trace", "turn-99", "--producer", "game-servce")

    assert (of_others.returncode, of_none.returncode) == (1, 1)
    assert "Did you mean 'publisher trace turn-17 --producer game-service'?" in of_others.stderr
    assert "Did you mean --producer game-service?" in of_none.stderr
