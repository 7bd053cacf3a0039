"""`publisher channels`: pausing one, seeing why it stands still, and letting it go on."""

import json
from typing import Any

import pytest

from publisher.domain.circuit import Probing
from storage import gates
from storage.database import Database
from storage.gates import note_refused
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside


def listed(publisher: Publisher) -> dict[str, dict[str, Any]]:
    """The channels as `list --json` has them, by name."""
    done = publisher("channels", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return {row["channel"]: row for row in map(json.loads, done.stdout.splitlines())}


def pause(publisher: Publisher, *arguments: str) -> str:
    """Pauses email as ann; returns what it printed."""
    done = publisher("channels", "pause", "email", "--reason", "mail server moves", "--by", "ann", "--yes", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_channel_is_listed(database: Database, publisher: Publisher) -> None:
    """Each channel says where it publishes and that it is open."""
    channels = listed(publisher)

    assert {name: row["state"] for name, row in channels.items()} == {"email": "open", "push": "open"}
    assert channels["email"]["stream"] == "mail:delivery_commands"


def test_a_paused_channel_says_who_and_why(database: Database, publisher: Publisher) -> None:
    """After a pause the list shows who paused it, since when, and why; other channels are open."""
    assert pause(publisher) == "email is paused\n"

    channels = listed(publisher)
    email = channels["email"]
    assert (email["state"], email["paused_by"], email["pause_reason"]) == ("paused", "ann", "mail server moves")
    assert email["paused_at"].endswith("Z")
    assert channels["push"]["state"] == "open"
    table = publisher("channels", "list").stdout
    assert "mail server moves" in " ".join(table.split())


def test_a_resume_opens_it(database: Database, publisher: Publisher) -> None:
    """After a resume the channel is open, and --json says so."""
    pause(publisher)

    done = publisher("channels", "resume", "email", "--yes", "--json")

    assert json.loads(done.stdout) == {"channel": "email", "state": "open"}
    assert listed(publisher)["email"]["state"] == "open"


def test_a_parked_channel_can_be_resumed(database: Database, publisher: Publisher) -> None:
    """A channel that parked itself shows its reason and its next probe, and an operator may open it."""
    for _ in range(3):
        note_refused(database, "email", "Redis refused: OOM", Probing())
    email = listed(publisher)["email"]
    assert (email["state"], email["park_reason"], email["refused_batches"]) == ("parked", "Redis refused: OOM", 3)
    assert email["probe_at"] is not None

    assert publisher("channels", "resume", "email", "--yes").stdout == "email is open\n"


@pytest.mark.parametrize("flags", [[], ["--yes"]])
def test_a_channel_that_is_as_wanted_is_left_so(
    database: Database, outside: Outside, publisher: Publisher, flags: list[str]
) -> None:
    """Nothing is asked, changed or recorded: the channel is open, or paused by somebody, and that is said."""
    open_ = publisher("channels", "resume", "email", *flags)
    pause(publisher)
    paused = publisher("channels", "pause", "email", "--reason", "again", "--by", "bob", *flags)
    told = publisher("channels", "pause", "email", "--reason", "again", "--json", *flags)

    assert (open_.returncode, open_.stdout, open_.stderr) == (0, "email is open already\n", "")
    said = "email is paused already, by ann: mail server moves\n"
    assert (paused.returncode, paused.stdout, paused.stderr) == (0, said, "")
    assert json.loads(told.stdout) == {"channel": "email", "state": "paused"}
    assert [row["by"] for row in outside.rows("SELECT by FROM operator_actions")] == ["ann"]
    assert listed(publisher)["email"]["pause_reason"] == "mail server moves"


def test_every_change_leaves_an_audit_row(database: Database, outside: Outside, publisher: Publisher) -> None:
    """Who paused and resumed, when, and why, stays on record."""
    pause(publisher)
    publisher("channels", "resume", "email", "--by", "cleo", "--yes")

    kept = outside.rows("SELECT action, by, target, done, outcome FROM operator_actions ORDER BY id")
    assert [(row["action"], row["by"], row["done"], row["outcome"]) for row in kept] == [
        ("pause-channel", "ann", 1, "done"),
        ("resume-channel", "cleo", 1, "done"),
    ]
    assert kept[0]["target"] == {"channel": "email", "reason": "mail server moves"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pause", "fax", "--reason", "x", "--yes"], "there is no channel 'fax'; channels: email, push"),
        (["pause", "email", "--reason", " ", "--yes"], "--reason must not be blank"),
        (["pause", "email", "--yes"], "--reason"),
        (["pause", "email", "--reason", "x"], "pass --yes"),
    ],
)
def test_what_cannot_be_done_is_said(database: Database, publisher: Publisher, arguments: list[str], said: str) -> None:
    """A wrong name, a missing reason or a missing --yes is one line and exit code 2, and changes nothing."""
    done = publisher("channels", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert all(gate.paused_at is None for gate in gates.read_gates(database).values())
