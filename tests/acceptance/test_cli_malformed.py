"""`publisher malformed list` and `show`: looking at intents that were not accepted."""

import json
import re
from pathlib import Path

import pytest

from storage.accepting.intents import RawFields
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.malformed_intents import record_entry, record_intent
from tests.processes import run_on_terminal

HOSTILE: RawFields = (
    (b"producer", b"\x1b[31mcaf\xe9"),
    (b"payload_json", b"\x1b]0;pwned\x07" + b"x" * 3000),
    (b"request_id", "\u202etxt.exe".encode()),
)


def test_a_list_shows_what_waits_and_pages(database: Database, publisher: Publisher) -> None:
    """Newest first, by code, with the page after it; JSON has stable names."""
    record_intent(database, entry_id="1-1")
    record_intent(database, "too_large", "2-1", producer="\u202egame")
    record_intent(database, entry_id="3-1")

    lines = publisher("malformed", "list", "--json").stdout.splitlines()
    table = publisher("malformed", "list", "--code", "too_large")
    page = publisher("malformed", "list", "--limit", "2").stdout

    assert [json.loads(line)["stream_entry_id"] for line in lines] == ["3-1", "2-1", "1-1"]
    assert list(json.loads(lines[0])) == [
        *("id", "stream", "stream_entry_id", "failure_code", "failure_message", "recorded_at", "producer"),
        *("notification_type", "resubmitted_at", "resubmitted_by", "resubmitted_as"),
    ]
    assert (table.returncode, table.stderr) == (0, "")
    assert "2-1" in table.stdout
    assert "?game" in table.stdout
    assert "3-1" not in table.stdout
    assert "more: --before 2" in page


def test_an_intent_that_was_not_accepted_is_found_by_its_key(database: Database, publisher: Publisher) -> None:
    """`trace` shows its entry, `malformed show` its record, and `explain` says which command takes it (R19)."""
    record_intent(database, entry_id="17-1", idempotency_key="m1", producer="game")
    record_intent(database, entry_id="18-1", idempotency_key="m2", producer="game")

    for key in ("m1", "game/m1", "key:m1", "'m1'"):
        traced = publisher("trace", key, "--json")
        shown = publisher("malformed", "show", key, "--json")
        assert json.loads(traced.stdout)["entry_id"] == "17-1", (key, traced)
        assert json.loads(shown.stdout)["stream_entry_id"] == "17-1", (key, shown)
    explained = publisher("explain", "m1")
    assert (explained.returncode, explained.stdout) == (2, "")
    assert "see 'publisher malformed show 1'" in explained.stderr
    assert publisher("trace", "m1", "--producer", "game", "--json").stdout
    assert publisher("trace", "m1", "--producer", "other").returncode == 1


def test_every_intent_of_a_key_is_shown(database: Database, publisher: Publisher) -> None:
    """One key may have been sent several times: `show` shows each, newest first, and `trace` asks which is meant."""
    for entry_id in ("17-1", "18-1"):
        record_intent(database, entry_id=entry_id, idempotency_key="m1")

    shown = publisher("malformed", "show", "m1", "--json").stdout.splitlines()
    traced = publisher("trace", "m1")

    assert [json.loads(line)["stream_entry_id"] for line in shown] == ["18-1", "17-1"]
    assert (traced.returncode, traced.stdout) == (2, "")
    assert "publisher trace malformed:1" in traced.stderr


def test_hostile_fields_are_shown_as_text(database: Database, publisher: Publisher) -> None:
    """No control character, mark of direction or broken byte reaches the output; what stood there can be read."""
    record_entry(database, HOSTILE, "invalid_utf8")

    shown = publisher("malformed", "show", "17-1").stdout

    assert all(c.isprintable() or c == "\n" for c in shown)
    assert r"producer: \x1b[31mcaf\xe9 (no text: 8 bytes)" not in shown
    assert r"producer: \x1b[31mcaf\xe9 (no text: 9 bytes)" in shown
    assert r"payload_json: \x1b]0;pwned\x07xxx" in shown
    assert "x" * 3000 in shown
    assert r"request_id: \u202etxt.exe" in shown
    assert "why it failed" in shown
    assert "correct it and send it again" in shown
    assert "  publisher malformed resubmit 1\n" in shown


def test_on_a_terminal_a_huge_value_is_shortened(database: Database, environ: dict[str, str]) -> None:
    """A terminal gets the beginning of a value and its length."""
    record_entry(database, HOSTILE, "invalid_utf8")

    code, shown = run_on_terminal("publisher", "malformed", "show", "1", environ=environ)

    assert code == 0
    assert "(3,010 characters)" in shown
    assert "x" * 500 not in re.sub(r"\s", "", shown)
    assert "\x1b]0" not in shown


def test_json_has_every_field_whole(database: Database, publisher: Publisher) -> None:
    """Bytes stand in base64, a long value in full (R19)."""
    record_entry(database, HOSTILE, "invalid_utf8")

    shown = json.loads(publisher("malformed", "show", "1", "--json").stdout)

    assert shown["raw_fields"]["producer"] == {"base64": "G1szMW1jYWbp"}
    assert len(shown["raw_fields"]["payload_json"]) == 3010
    assert (shown["stream_entry_id"], shown["failure_code"]) == ("17-1", "invalid_utf8")


def test_without_an_editor_a_file_is_written_corrected_and_sent(
    database: Database, publisher: Publisher, tmp_path: Path
) -> None:
    """The commands that `show` prints do it, whatever the locale: the form says why the intent was refused (R19)."""
    record_intent(database, "too_large", producer="é" * 65)
    form = publisher("malformed", "show", "1", "--form", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii").stdout
    assert "too_large" in form.splitlines()[0]
    assert "é" * 65 in form

    done = publisher(
        "malformed", "resubmit", "1", "--file", "-", "--dry-run", stdin=form.replace("é" * 60, "").encode()
    )

    assert (done.returncode, done.stdout) == (0, "malformed intent 1 would be accepted\n"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["resubmit"], "name an intent, or say which"),
        (["resubmit", "--all"], "add --unchanged"),
        (["resubmit", "1", "--all"], "not both"),
        (["resubmit", "1", "--file", "x", "--unchanged"], "leave out --unchanged"),
        (["resubmit", "--all", "--unchanged", "--again"], "--again is for one intent"),
        (["resubmit", "1", "--dry-run"], "opens no editor"),
        (["resubmit", "1"], "neither VISUAL nor EDITOR is set"),
        (["resubmit", "1"], "or write a file with 'publisher malformed show 1 --form > malformed-1.json', correct"),
        (["show", "1", "--form", "--json"], "leave out --json"),
        (["resubmit", "1", "--file", "/no/such/file"], "cannot read '/no/such/file'"),
        (["list", "--code", "weird"], "--code cannot be 'weird': it is one of missing_field,"),
    ],
)
def test_bad_usage_is_one_line(database: Database, publisher: Publisher, arguments: list[str], said: str) -> None:
    """Whatever contradicts itself is said in one line, exit code 2, before anything is opened."""
    record_intent(database)

    done = publisher("malformed", *arguments, VISUAL=None, EDITOR=None)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
