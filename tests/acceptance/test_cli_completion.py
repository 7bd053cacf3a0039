"""What a shell is answered while a command line is typed."""

import shutil
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
from tests.processes import run_on_terminal

Typed = Callable[..., list[str]]
BASH = shutil.which("bash")


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


@pytest.mark.skipif(BASH is None, reason="no bash")
def test_bash_completes_with_the_shown_script(environ: dict[str, str], publisher: Publisher, tmp_path: Path) -> None:
    """`--show-completion bash` is what bash reads: a tab completes a command, and a guide behind it."""
    script = tmp_path / "completion.sh"
    script.write_text(publisher("--show-completion", "bash").stdout)
    typed = f"source {script}\necho :; publisher gui\tprom\t | head -1; exit\n"

    code, shown = run_on_terminal("bash", "--norc", "--noprofile", "-i", environ=environ, answer=typed)

    assert code == 0
    assert "# What is promised" in shown


def test_a_shell_is_told_where_its_script_is(environ: dict[str, str], publisher: Publisher, tmp_path: Path) -> None:
    """`--install-completion bash` adds a line to ~/.bashrc that reads the script."""
    done = publisher("--install-completion", "bash", HOME=str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert "publisher.sh" in (tmp_path / ".bashrc").read_text()
    assert "_PUBLISHER_COMPLETE" in (tmp_path / ".bash_completions" / "publisher.sh").read_text()
