"""`publisher intents losses`: intents that somebody removed unread, until an operator says that he knows."""

import json

import pytest

from publisher.domain.loss import LossCause
from storage.accepting.losses import record_loss
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.factories import INTENTS
from tests.integration.rows import execute, rows


@pytest.fixture
def loss(database: Database) -> None:
    """888 intents were trimmed away unread."""
    record_loss(database, INTENTS, LossCause.TRIMMED, "1-0", "9-0", 888)


def doctor(publisher: Publisher) -> tuple[int, dict[str, str]]:
    """The exit code, and the check of lost intents."""
    done = publisher("doctor", "--json")
    [check] = [c for c in map(json.loads, done.stdout.splitlines()) if c["name"] == "intents-lost"]
    return done.returncode, check


def test_doctor_fails_until_a_loss_is_acknowledged(loss: None, publisher: Publisher, database: Database) -> None:
    """The remedy is the command that ends the complaint, and who gave it is kept."""
    code, check = doctor(publisher)
    assert (code, check["verdict"]) == (1, "failed")
    assert check["finding"].startswith("888 intents were removed from the stream unread, between 1-0 and 9-0")
    assert check["remedy"].endswith("publisher intents losses acknowledge 1")

    done = publisher("intents", "losses", "acknowledge", "1", "--by", "ann")

    assert (done.returncode, done.stdout) == (0, "loss 1 is acknowledged (action 1)\n")
    assert doctor(publisher)[1]["verdict"] == "ok"
    [action] = rows(database, "SELECT action, by, done, outcome, target FROM operator_actions")
    assert action == {
        "action": "acknowledge-loss",
        "by": "ann",
        "done": 1,
        "outcome": "done",
        "target": {"loss": 1, "entries": 888},
    }


def test_losses_are_listed_until_they_are_acknowledged(loss: None, publisher: Publisher) -> None:
    """With --all those that were acknowledged, too."""
    listed = json.loads(publisher("intents", "losses", "list", "--json").stdout)
    assert (listed["id"], listed["cause"], listed["entries"]) == (1, "trimmed", 888)
    assert "888" in publisher("intents", "losses", "list").stdout

    publisher("intents", "losses", "acknowledge", "1", "--by", "ann")

    assert publisher("intents", "losses", "list", "--json").stdout == ""
    assert json.loads(publisher("intents", "losses", "list", "--all", "--json").stdout)["acknowledged_by"] == "ann"


def test_a_loss_is_acknowledged_once(loss: None, publisher: Publisher) -> None:
    """The second is told who was first, and one that is not there that it is not."""
    publisher("intents", "losses", "acknowledge", "1", "--by", "ann")

    again = publisher("intents", "losses", "acknowledge", "1")
    unknown = publisher("intents", "losses", "acknowledge", "7")

    assert (again.returncode, unknown.returncode) == (2, 1)
    assert "loss 1 was acknowledged by ann" in again.stderr
    assert "the number of every loss of intents" in unknown.stderr


def test_status_counts_losses_and_shows_the_last_replay(loss: None, publisher: Publisher, database: Database) -> None:
    """Whether PostgreSQL went back, what was taken in again, and how many losses wait for an operator."""
    execute(
        database,
        "INSERT INTO intents_replays (stream, reason, server, after_id, reached_id, up_to_id, begun_at, ended_at, seen,"
        " replayed) VALUES (%s, 'other_server', 'x', '1-0', '9-0', '9-0', now(), '2026-03-14 09:26:53Z', 700, 600)",
        INTENTS,
    )

    said = json.loads(publisher("status", "--json").stdout)["intents"]
    shown = publisher("status").stdout

    assert said["losses"] == 1
    assert (said["replay"]["reason"], said["replay"]["seen"], said["replay"]["replayed"]) == ("other_server", 700, 600)
    assert "ended 2026-03-14 09:26:53.000Z: 600 of 700 intents taken in again" in shown
