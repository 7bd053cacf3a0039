"""`publisher intents send`: from JSON lines to the intents stream."""

import json
import re
from pathlib import Path

import pytest

from publisher.domain.notification import notification_id_of
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

    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (0, "2 sent, 0 refused", "")
    assert sent(outside) == [FIELDS, FIELDS | {"idempotency_key": "turn-18"}]


def test_the_ids_of_what_was_sent_are_shown(publisher: Publisher, outside: Outside) -> None:
    """An operator sees every id of an intent, whom it is for, and the line that looks it up, which works as it is."""
    done = publisher("intents", "send", "-", stdin=jsonl(LINE))

    [(entry_id, _)] = outside.redis.xrange(INTENTS)
    id_ = notification_id_of("game-service", "turn-17")
    shown = [tuple(re.split(r" {2,}", line.rstrip(), maxsplit=1)) for line in done.stdout.splitlines()]
    assert shown == [
        ("entry", entry_id),
        ("producer", "game-service"),
        ("idempotency key", "turn-17"),
        ("notification", id_),
        ("to", "1 recipient, by email"),
        ("look it up", f"publisher trace {entry_id}"),
        ("",),
        ("1 sent, 0 refused",),
    ]
    assert id_ in publisher(*shown[5][1].split()[1:]).stdout


def test_of_many_intents_the_first_are_shown(publisher: Publisher, outside: Outside) -> None:
    """Three are shown to a person, and how many more there are; --json has the ids of each."""
    lines = jsonl(*(LINE | {"idempotency_key": f"turn-{n}"} for n in range(5)))

    told = publisher("intents", "send", "-", stdin=lines).stdout
    listed = json.loads(publisher("intents", "send", "-", "--json", stdin=lines).stdout)

    assert told.count("look it up") == 3
    assert "and 2 more: look each up with publisher trace IDEMPOTENCY_KEY" in told
    entries = outside.redis.xrange(INTENTS)[5:]
    assert listed == {
        "sent": 5,
        "refused": 0,
        "intents": [
            {
                "entry_id": entry_id,
                "producer": "game-service",
                "idempotency_key": f"turn-{n}",
                "notification_id": notification_id_of("game-service", f"turn-{n}"),
                "recipients": 1,
                "channels": ["email"],
            }
            for n, (entry_id, _) in enumerate(entries)
        ],
    }


def test_bad_lines_are_named_and_the_good_ones_sent(publisher: Publisher, outside: Outside) -> None:
    """A line that is no intent gets a line on standard error with its place and reason; the exit code is 1."""
    lines = [LINE, *BAD, LINE | {"idempotency_key": "turn-18"}]

    done = publisher("intents", "send", "-", "--json", stdin=jsonl(*lines))

    assert done.returncode == 1
    assert json.loads(done.stdout).items() >= {"sent": 2, "refused": len(BAD)}.items()
    assert [fields["idempotency_key"] for fields in sent(outside)] == ["turn-17", "turn-18"]
    said = done.stderr.splitlines()
    places = [
        2,
        1,
        *(bad.index(at) + 1 for bad, at in zip(BAD[2:6], ["1}", '["pig', '"", "aud', '"\\ud800'], strict=True)),
        1,
    ]
    assert [line.partition(": ")[0] for line in said] == [
        f"line {n}, column {c}" for n, c in enumerate(places, start=2)
    ]
    for line, reason in zip(
        said,
        ["not valid JSON", "JSON object", "surprise", "channels.0", "producer", "surrogate", "nested too deeply"],
        strict=True,
    ):
        assert reason in line


def test_the_text_of_json_fields_goes_through_as_it_stands(publisher: Publisher, outside: Outside) -> None:
    """No digit, escape or space of payload, recipients and channels is another on the stream than in the line."""
    payload = r'{ "price":1.10, "sum": 12345678901234567.89,"half": "\ud83d", "name":"Zo\u00eb ♞", "n": -0 }'
    recipients, channels = '[ {"user_id":"7" , "email": "\\u0061nn@example.com"} ]', '["email" ]'
    line = json.dumps(LINE | {"payload": 1, "recipients": 2, "channels": 3})
    for number, text in ((1, payload), (2, recipients), (3, channels)):
        line = line.replace(f": {number},", f": {text},", 1)

    done = publisher("intents", "send", "-", stdin=b"\xef\xbb\xbf" + line.encode())

    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (0, "1 sent, 0 refused", "")
    [fields] = outside.commands(INTENTS)
    assert fields["payload_json"] == payload
    assert fields["recipients_json"] == recipients
    assert fields["channels_json"] == channels


@pytest.mark.parametrize("source", ["-", "file"])
def test_a_file_that_is_no_json_lines_is_named_once(
    publisher: Publisher, outside: Outside, tmp_path: Path, source: str
) -> None:
    """One line says what it is and what to do, with exit code 2, and nothing is sent."""
    file = tmp_path / "intents.json"
    file.write_text(json.dumps([LINE, LINE], indent=2))

    named = str(file) if source == "file" else "-"
    done = publisher("intents", "send", named, stdin=b"" if source == "file" else file.read_bytes())

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"publisher: {repr(named) if source == 'file' else 'standard input'} is a JSON array, not an object a line:"
        " jq -c '.[]' FILE | publisher intents send - (jq before 1.7 writes 1.10 as 1.1, and rounds large numbers)\n"
    )
    assert sent(outside) == []


def test_check_sends_nothing(publisher: Publisher, outside: Outside) -> None:
    """With --check lines are validated and counted, and the stream stays as it is."""
    done = publisher("intents", "send", "-", "--check", stdin=jsonl(LINE))

    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 valid, 0 refused")
    assert "publisher trace" not in done.stdout
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
        assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 sent, 1 refused")
        assert done.stderr == "line 1, column 1: is not UTF-8: invalid start byte\n"


def test_a_terminal_shows_progress(environ: dict[str, str], outside: Outside, tmp_path: Path) -> None:
    """On a terminal a bar moves while a file is sent."""
    file = tmp_path / "intents.jsonl"
    file.write_text(jsonl(*(LINE | {"idempotency_key": f"turn-{n}"} for n in range(3000))))

    code, shown = run_on_terminal("publisher", "intents", "send", str(file), environ=environ)

    assert code == 0
    assert "sending" in shown
    assert "3,000 sent, 0 refused" in shown
    assert len(sent(outside)) == 3000
