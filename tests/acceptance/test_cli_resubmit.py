"""`publisher malformed resubmit`: sending intents that were not accepted again."""

import json
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.malformed_intents import record_intent
from tests.acceptance.outside import Outside
from tests.factories import EVENTS, INTENTS, accepted, intent_fields
from tests.integration.operations.malformed.test_events import give_event
from tests.integration.storage.answers.test_delivery_events import deliveries
from tests.processes import Processes, run_on_terminal


def editor(folder: Path, body: str) -> str:
    """An editor that changes the file of its first argument by this shell text, and keeps what it was shown."""
    script = folder / "editor"
    script.write_text(f'#!/bin/sh\ncp "$1" {folder}/shown\n{body}\n')
    script.chmod(0o755)
    return str(script)


def marked(outside: Outside) -> list[dict[str, Any]]:
    """By whom each was resubmitted, and as what."""
    return outside.rows("SELECT resubmitted_by, resubmitted_as FROM malformed_intents ORDER BY id")


def test_an_edit_is_validated_sent_and_marked(
    database: Database, publisher: Publisher, outside: Outside, tmp_path: Path
) -> None:
    """The editor is shown the reason and the fields; what it saves goes to the stream, and the row says who."""
    record_intent(database, channels_json=["pigeon"], idempotency_key="k")
    edit = editor(tmp_path, """sed -i 's/"pigeon"/"email"/' "$1" """)

    done = publisher(
        "malformed", "resubmit", "1", "--yes", "--by", "ann", VISUAL=None, EDITOR=edit, TMPDIR=str(tmp_path)
    )

    assert (done.returncode, done.stderr) == (0, "")
    [sent] = outside.commands(INTENTS)
    assert sent == intent_fields(channels_json='["email"]', idempotency_key="k")
    [mark] = marked(outside)
    assert mark["resubmitted_by"] == "ann"
    assert f"resubmitted as {mark['resubmitted_as']}" in done.stdout
    assert "# why it failed" in (tmp_path / "shown").read_text()
    assert list(tmp_path.glob("malformed-*")) == []
    assert outside.row("SELECT action, by, target ->> 'id' AS id, done, outcome FROM operator_actions") == {
        "action": "resubmit-malformed",
        "by": "ann",
        "id": "1",
        "done": 1,
        "outcome": "done",
    }


@pytest.mark.parametrize(
    ("body", "arguments", "said"),
    [
        ("""sed -i 's/"pigeon"/"crow"/' "$1" """, ["--yes"], "unknown_channel: channels_json.0: no such channel"),
        ("""sed -i 's/"pigeon"/"pigeon/' "$1" """, ["--yes"], "is not valid JSON"),
        ("""printf '\\377' >> "$1" """, ["--yes"], "not UTF-8"),
        ("""sed -i 's/"pigeon"/"email"/' "$1" """, [], "pass --yes"),
        ("""sed -i 's/"pigeon"/"email"/' "$1"; exit 3""", ["--yes"], "ended with code 3"),
    ],
    ids=["invalid", "no-json", "no-utf8", "not-asked", "failed"],
)
def test_an_edit_that_is_not_sent_is_kept(
    database: Database,
    publisher: Publisher,
    outside: Outside,
    tmp_path: Path,
    body: str,
    arguments: list[str],
    said: str,
) -> None:
    """One line says why and names the file, readable by its owner alone; nothing is sent or marked."""
    record_intent(database, channels_json=["pigeon"])

    done = publisher(
        *("malformed", "resubmit", "17-1", *arguments), EDITOR=editor(tmp_path, body), VISUAL="", TMPDIR=str(tmp_path)
    )

    [kept] = tmp_path.glob("malformed-1-*.json")
    assert done.returncode == 2
    assert said in done.stderr
    assert f"--file {kept}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert kept.stat().st_mode & 0o777 == 0o600
    assert outside.commands(INTENTS) == []
    assert marked(outside) == [{"resubmitted_by": None, "resubmitted_as": None}]


def test_what_was_kept_can_be_gone_on_with(
    database: Database, publisher: Publisher, outside: Outside, tmp_path: Path
) -> None:
    """A form from a file, or from standard input, is as good as from the editor."""
    record_intent(database, "missing_field", producer=None)
    file = tmp_path / "edited.json"
    form = json.loads(publisher("malformed", "show", "1", "--json").stdout)["raw_fields"] | {"producer": "game"}
    file.write_text("# kept\n" + json.dumps(form))

    checked = publisher("malformed", "resubmit", "1", "--file", str(file), "--dry-run")
    done = publisher("malformed", "resubmit", "1", "--file", "-", "--yes", "--json", stdin=file.read_bytes())

    assert checked.stdout == "malformed intent 1 would be accepted\n"
    assert done.returncode == 0, done.stderr
    [sent] = outside.commands(INTENTS)
    assert sent == form
    assert json.loads(done.stdout)["resubmitted_as"] == marked(outside)[0]["resubmitted_as"]


def test_leaving_the_editor_without_a_change_sends_nothing(
    database: Database, publisher: Publisher, outside: Outside, tmp_path: Path
) -> None:
    """Quitting is a no, also where the intent would be valid by now; no file stays behind."""
    record_intent(database)

    done = publisher("malformed", "resubmit", "1", "--yes", VISUAL="true", TMPDIR=str(tmp_path))

    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing was changed" in done.stderr
    assert outside.commands(INTENTS) == []
    assert list(tmp_path.glob("malformed-*")) == []


@pytest.mark.parametrize("command", ["/no/such/editor --wait", "'unbalanced"])
def test_an_editor_that_does_not_start_is_named(
    database: Database, publisher: Publisher, tmp_path: Path, command: str
) -> None:
    """One line, and no file left behind, for nothing was edited."""
    record_intent(database)

    done = publisher("malformed", "resubmit", "1", "--yes", VISUAL=command, TMPDIR=str(tmp_path))

    assert done.returncode == 2
    assert "cannot start the editor" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.glob("malformed-*")) == []


def test_only_a_yes_resubmits_and_a_no_keeps_the_edit(
    database: Database, environ: dict[str, str], outside: Outside, tmp_path: Path
) -> None:
    """On a terminal it asks, with what would be sent; a no names the file."""
    record_intent(database, channels_json=["pigeon"], idempotency_key="turn-17")
    edit = editor(tmp_path, """sed -i 's/"pigeon"/"email"/' "$1" """)
    variables = environ | {"EDITOR": edit, "VISUAL": "", "TMPDIR": str(tmp_path)}
    command = ("publisher", "malformed", "resubmit", "1")

    code, shown = run_on_terminal(*command, environ=variables, answer="n\n")

    assert code == 1
    assert "game.turn.ready of game-service, key turn-17, for 1 recipients?" in shown
    assert "what was edited is kept" in shown
    assert len(list(tmp_path.glob("malformed-*"))) == 1
    assert outside.commands(INTENTS) == []
    code, shown = run_on_terminal(*command, environ=variables, answer="y\n")
    assert code == 0, shown
    assert len(outside.commands(INTENTS)) == 1


def test_twice_needs_again(database: Database, publisher: Publisher, outside: Outside) -> None:
    """One that was resubmitted is refused, and says by whom and as what, unless --again."""
    record_intent(database)
    first = publisher("malformed", "resubmit", "1", "--unchanged", "--yes", "--by", "ann")
    second = publisher("malformed", "resubmit", "1", "--unchanged", "--yes", "--by", "bob")
    third = publisher("malformed", "resubmit", "1", "--unchanged", "--yes", "--by", "bob", "--again")

    assert [done.returncode for done in (first, second, third)] == [0, 2, 0]
    assert "was resubmitted by ann as" in second.stderr
    assert "--again" in second.stderr
    assert len(outside.commands(INTENTS)) == 2
    assert marked(outside)[0]["resubmitted_by"] == "bob"
    assert publisher("malformed", "list", "--json").stdout == ""
    assert len(publisher("malformed", "list", "--json", "--resubmitted").stdout.splitlines()) == 1


def test_a_conflict_is_not_resubmitted_under_its_key(
    database: Database, publisher: Publisher, outside: Outside
) -> None:
    """`show` warns, --unchanged is refused with what to change (R18)."""
    accepted(database, [{"idempotency_key": "k"}])
    record_intent(database, "idempotency_conflict", idempotency_key="k", payload_json={"turn": 18})

    shown = " ".join(publisher("malformed", "show", "1").stdout.split())
    done = publisher("malformed", "resubmit", "1", "--unchanged", "--yes")

    assert "it would conflict again" in shown
    assert done.returncode == 2
    assert "idempotency_conflict" in done.stderr
    assert "change idempotency_key" in done.stderr
    assert outside.commands(INTENTS) == []


def test_all_that_match_are_counted_and_those_that_are_valid_sent(
    database: Database, publisher: Publisher, outside: Outside
) -> None:
    """After a channel was installed: a dry run, then by filter; what is still malformed is left and the exit code 1."""
    for n in range(3):
        record_intent(database, entry_id=f"{n}-1")
    record_intent(database, entry_id="3-1", channels_json=["pigeon"])
    record_intent(database, "too_large", "4-1")
    command = ("malformed", "resubmit", "--code", "unknown_channel", "--unchanged")

    dry = publisher(*command, "--dry-run")
    asked = publisher(*command)
    done = publisher(*command, "--yes", "--json")

    assert dry.stdout == "4 matched, 3 valid; 1 left: unknown_channel\n"
    assert asked.returncode == 2
    assert "Resubmit 4 malformed intents as they are?" in asked.stderr
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "action": 1,
        "matched": 4,
        "resubmitted": 3,
        "left": {"unknown_channel": 1},
        "taken": 0,
        "outcome": "done",
    }
    assert len(outside.commands(INTENTS)) == 3
    assert publisher(*command, "--until", "2020-01-01", "--yes").stdout == "0 matched, 0 resubmitted\n"


def test_a_resubmitted_intent_is_accepted_by_intake(
    database: Database, publisher: Publisher, processes: Processes, outside: Outside
) -> None:
    """What was resubmitted becomes a notification like any other, once however often it was sent (R18)."""
    record_intent(database, idempotency_key="k")
    for again in ([], ["--again"]):
        assert publisher("malformed", "resubmit", "1", "--unchanged", "--yes", *again).returncode == 0
    intake = processes.start("intake")
    intake.wait_for_output("intents accepted")
    outside.wait_until_acknowledged()

    assert outside.rows("SELECT idempotency_key FROM notifications") == [{"idempotency_key": "k"}]
    assert outside.row("SELECT count(*) FROM malformed_intents") == {"count": 1}


def test_a_delivery_event_is_shown_corrected_and_sent_to_its_own_stream(
    database: Database, publisher: Publisher, outside: Outside
) -> None:
    """By the same commands as an intent; the line says which delivery it answers (R32)."""
    [delivery] = deliveries(database)
    give_event(database, entry_id="8-1", delivery_id=delivery, event="opened")
    shown = publisher("malformed", "show", "1", "--form").stdout
    assert '"event": "opened"' in shown
    assert "8-1" in publisher("malformed", "list", "--stream", EVENTS).stdout

    refused = publisher("malformed", "resubmit", "1", "--unchanged", "--yes")
    done = publisher(
        *("malformed", "resubmit", "1", "--file", "-", "--yes"), stdin=shown.replace("opened", "bounced").encode()
    )

    assert "malformed intent 1 would not be accepted: invalid_field: event: must be" in refused.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f", delivery {delivery}\n")
    assert outside.commands(INTENTS) == []
    [sent] = outside.commands(EVENTS)
    assert (sent["event"], sent["delivery_id"]) == ("bounced", delivery)
