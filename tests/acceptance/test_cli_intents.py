"""`publisher intents send`: from JSON lines to the intents stream (section 9)."""

import json
from pathlib import Path

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside
from tests.factories import INTENTS
from tests.processes import run_on_terminal

LINE = {
    "notification_type": "game.turn.ready",
    "producer": "game-service",
    "audience_kind": "user",
    "recipients": [{"user_id": "7", "email": "ann@example.com"}],
    "channels": ["email"],
    "idempotency_key": "turn-17",
    "occurred_at_ms": 1773480413589,
    "payload": {"game": "Schach ♞", "turn": 17},
    "trace_id": None,
}
FIELDS = {
    "notification_type": "game.turn.ready",
    "producer": "game-service",
    "audience_kind": "user",
    "recipients_json": [{"user_id": "7", "email": "ann@example.com"}],
    "channels_json": ["email"],
    "idempotency_key": "turn-17",
    "occurred_at_ms": 1773480413589,
    "payload_json": {"game": "Schach ♞", "turn": 17},
}
BAD = [
    "{not json",
    "[1, 2]",
    json.dumps(LINE | {"surprise": 1}),
    json.dumps(LINE | {"channels": ["pigeon"]}),
    json.dumps(LINE | {"producer": ""}),
    json.dumps(LINE | {"idempotency_key": "\ud800"}),
    "[" * 10_000,
]


def jsonl(*lines: object) -> str:
    """These lines, as JSON unless they are text."""
    return "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)


def sent(outside: Outside) -> list[dict[str, object]]:
    """What stands on the intents stream, JSON fields as values."""
    texts = ("notification_type", "producer", "audience_kind", "idempotency_key")
    return [
        {name: value if name in texts else json.loads(value) for name, value in fields.items()}
        for fields in outside.commands(INTENTS)
    ]


def test_each_line_of_a_file_becomes_an_entry(publisher: Publisher, outside: Outside, tmp_path: Path) -> None:
    """Keys become the stream's fields, values JSON where the stream has JSON; blank lines and nulls are nothing."""
    file = tmp_path / "intents.jsonl"
    file.write_text(jsonl(LINE, "", LINE | {"idempotency_key": "turn-18"}))

    done = publisher("intents", "send", str(file))

    assert (done.returncode, done.stdout, done.stderr) == (0, "2 sent, 0 refused\n", "")
    assert sent(outside) == [FIELDS, FIELDS | {"idempotency_key": "turn-18"}]


def test_bad_lines_are_named_and_the_good_ones_sent(publisher: Publisher, outside: Outside) -> None:
    """A line that is no intent gets a line on standard error with number and reason; the exit code is 1."""
    lines = [LINE, *BAD, LINE | {"idempotency_key": "turn-18"}]

    done = publisher("intents", "send", "-", "--json", stdin=jsonl(*lines))

    assert done.returncode == 1
    assert json.loads(done.stdout) == {"sent": 2, "refused": len(BAD)}
    assert [fields["idempotency_key"] for fields in sent(outside)] == ["turn-17", "turn-18"]
    said = done.stderr.splitlines()
    assert [line.partition(": ")[0] for line in said] == [f"line {n}" for n in range(2, len(BAD) + 2)]
    for line, reason in zip(
        said,
        ["not valid JSON", "JSON object", "surprise", "channels_json.0", "producer", "surrogate", "nested too deeply"],
        strict=True,
    ):
        assert reason in line


def test_check_sends_nothing(publisher: Publisher, outside: Outside) -> None:
    """With --check lines are validated and counted, and the stream stays as it is."""
    done = publisher("intents", "send", "-", "--check", stdin=jsonl(LINE))

    assert (done.returncode, done.stdout) == (0, "1 valid, 0 refused\n")
    assert sent(outside) == []


def test_an_empty_input_is_no_error(publisher: Publisher) -> None:
    """Nothing to send is sent."""
    done = publisher("intents", "send", "-")

    assert (done.returncode, done.stdout, done.stderr) == (0, "0 sent, 0 refused\n", "")


def test_a_line_that_is_not_utf_8_is_a_bad_line_like_any_other(publisher: Publisher, tmp_path: Path) -> None:
    """Bytes that are no text are named by their line, from a file as from standard input."""
    file = tmp_path / "intents.jsonl"
    file.write_bytes(b"\xff\xfe\n" + jsonl(LINE).encode())

    for done in (publisher("intents", "send", str(file)), publisher("intents", "send", "-", stdin=file.read_bytes())):
        assert (done.returncode, done.stdout) == (1, "1 sent, 1 refused\n")
        assert done.stderr == "line 1: is not UTF-8: invalid start byte\n"


def test_a_terminal_shows_progress(environ: dict[str, str], outside: Outside, tmp_path: Path) -> None:
    """On a terminal a bar moves while a file is sent (section 9)."""
    file = tmp_path / "intents.jsonl"
    file.write_text(jsonl(*(LINE | {"idempotency_key": f"turn-{n}"} for n in range(3000))))

    code, shown = run_on_terminal("publisher", "intents", "send", str(file), environ=environ)

    assert code == 0
    assert "sending" in shown
    assert "3,000 sent, 0 refused" in shown
    assert len(sent(outside)) == 3000
