"""A command that must ask, and nobody to answer: it refuses, says so, and has changed nothing."""

import pytest

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.malformed_intents import record_intent
from tests.acceptance.outside import Outside
from tests.factories import INTENTS

COUNTABLE = ": pass --yes, or --dry-run to count\n"


@pytest.mark.parametrize(
    ("command", "question", "way"),
    [
        ("channels pause email --reason moving", "Pause email: publish nothing on it until it is resumed?", None),
        ("channels resume push", "Resume push, which is paused?", None),
        ("malformed resubmit 1 --unchanged", "Resubmit malformed intent 1 as game.turn.ready of game-service", None),
        ("malformed resubmit --all --unchanged", "Resubmit 1 malformed intents as they are?", COUNTABLE),
    ],
)
def test_no_terminal_and_no_yes_is_a_usage_error(
    database: Database, publisher: Publisher, outside: Outside, command: str, question: str, way: str | None
) -> None:
    """One line has the question, and the options that need no answer; a yes on standard input is none."""
    record_intent(database)
    publisher(*["channels", "pause", "push", "--reason", "moving", "--by", "ann", "--yes"])

    done = publisher(*command.split(), stdin="y\n")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"publisher: {question}")
    assert done.stderr.endswith("Standard input is no terminal to ask on" + (way or ": pass --yes\n"))
    assert done.stderr.count("\n") == 1
    assert outside.row("SELECT count(*) FROM operator_actions WHERE by <> 'ann'") == {"count": 0}
    assert outside.commands(INTENTS) == []
