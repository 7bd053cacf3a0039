"""What a shell is answered while a command line is typed."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.malformed_intents import record_intent
from tests.acceptance.outside import Outside
from tests.factories import accepted

Typed = Callable[..., list[str]]


@pytest.fixture
def typed(publisher: Publisher) -> Typed:
    """The answer to bash for these words, the last of which is being typed. Nothing but the answer is printed."""

    def ask(*words: str, **variables: str | None) -> list[str]:
        asked = {"COMP_WORDS": "\n".join(["publisher", *words]), "COMP_CWORD": str(len(words))}
        done = publisher(_PUBLISHER_COMPLETE="complete_bash", **asked, **variables)
        assert (done.returncode, done.stderr) == (0, "")
        return [line for line in done.stdout.splitlines() if line]

    return ask


def test_names_are_completed_without_a_server(typed: Typed) -> None:
    """Commands, options, channels, statuses and reasons need no settings."""
    away: dict[str, str | None] = {"DATABASE_URL": None, "REDIS_URL": None}

    assert typed("sta", **away) == ["status"]
    assert typed("dead-letters", "", **away) == ["requeue", "discard", "list", "show"]
    assert typed("routes", "list", "--st", **away) == ["--status"]
    assert typed("channels", "pause", "", **away) == ["email", "push"]
    assert typed("routes", "list", "--channel", "=", "p", **away) == ["push"]
    assert typed("routes", "list", "--status", "p", **away) == ["pending", "published"]
    assert "payload_encoding_failed" in typed("dead-letters", "list", "--classification", "", **away)
    assert typed("malformed", "list", "--code", "unknown_c", **away) == ["unknown_channel"]
    assert typed("--version", "gui", **away) == ["guide"]


def test_ids_are_completed_from_the_database(database: Database, outside: Outside, typed: Typed) -> None:
    """A notification by its first digits, its routes behind a slash, keys, and the numbers of each kind."""
    accepted(database, [{"idempotency_key": "turn-17"}])
    record_intent(database)
    notification = str(outside.row("SELECT notification_id FROM notifications")["notification_id"])

    assert typed("explain", "") == [notification]
    assert typed("trace", notification[:5]) == [notification]
    assert typed("trace", "turn") == ["turn-17"]
    assert typed("routes", "show", f"{notification}/em") == [f"{notification}/email:user:7"]
    assert typed("routes", "show", f"{notification}/email", ":", "user", ":") == ["7"]
    assert typed("explain", notification, "em") == ["email:user:7"]
    assert typed("routes", "list", "--notification", notification[:8]) == [notification]
    assert typed("malformed", "show", "") == ["1"]
    assert typed("actions", "show", "") == []
    assert typed("routes", "list", "--type", "game") == ["game.turn.ready"]


def test_an_id_that_a_shell_might_obey_is_not_offered(database: Database, typed: Typed) -> None:
    """A producer chooses its keys; zsh evaluates what it is answered."""
    accepted(database, [{"idempotency_key": "turn-$(reboot)"}, {"idempotency_key": "turn-`id`"}])

    assert typed("trace", "turn") == []


def test_nothing_is_said_while_the_database_is_away(typed: Typed) -> None:
    """Missing settings, a refusing server and a silent one are an empty answer; the silent one costs a second."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://ann@127.0.0.1:{silent.getsockname()[1]}/name"
        began = time.monotonic()
        assert typed("explain", "", DATABASE_URL=url) == []
        # A second for the server, and the start of a process on a slow machine.
        assert time.monotonic() - began < 20
    assert typed("explain", "", DATABASE_URL=url) == []
    assert typed("explain", "", DATABASE_URL="nonsense") == []
    assert typed("explain", "", DATABASE_URL=None, REDIS_URL=None) == []


def test_completion_that_cannot_be_set_up_says_why(publisher: Publisher, tmp_path: Path) -> None:
    """One line and exit code 2: for a shell that has none, a startup file that cannot be changed, and an odd HOME."""
    (tmp_path / ".bashrc").write_bytes(b"\xff\n")
    refused = [
        ("tcsh", tmp_path, "--install-completion needs the name of a shell, bash, zsh or fish: 'tcsh' is none of them"),
        ("bash", tmp_path, "append the output of 'publisher --show-completion bash'"),
        ("fish", "/dev/null", "cannot write '/dev/null/.config"),
    ]

    for shell, home, said in refused:
        done = publisher("--install-completion", shell, HOME=str(home))

        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    assert (tmp_path / ".bashrc").read_bytes() == b"\xff\n"
