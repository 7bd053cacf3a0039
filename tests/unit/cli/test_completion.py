"""How the words of a shell's command line are mended, and what is imported to complete a command's name."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import typer

from publisher.cli.app import app
from publisher.cli.commands import ENTRIES
from publisher.cli.completion.answers import rejoined
from tests.unit.cli.test_commands import HEAVY, IMPORTED, OURS


@pytest.mark.parametrize(
    ("given", "cursor", "mended"),
    [
        (["p", "explain", "0b5c"], 2, (["p", "explain", "0b5c"], 2, "")),
        (["p", "explain", ""], 2, (["p", "explain", ""], 2, "")),
        (["p", "explain", "0b5c/email", ":", "us"], 4, (["p", "explain", "0b5c/email:us"], 2, "0b5c/email:")),
        (["p", "explain", "0b5c/email", ":"], 3, (["p", "explain", "0b5c/email:"], 2, "0b5c/email:")),
        (["p", "e", "x/email", ":", "user", ":", "7"], 6, (["p", "e", "x/email:user:7"], 2, "x/email:user:")),
        (["p", "e", "a", ":", "b", "em"], 5, (["p", "e", "a:b", "em"], 3, "")),
        (["p", "list", "--channel", "=", "em"], 4, (["p", "list", "--channel", "em"], 3, "")),
        (["p", "list", "--channel", "="], 3, (["p", "list", "--channel", ""], 3, "")),
        (["p", "list", "--json", "tail"], 2, (["p", "list", "--json"], 2, "")),
    ],
)
def test_words_that_bash_split_are_joined(given: list[str], cursor: int, mended: tuple[list[str], int, str]) -> None:
    """An id with colons is one word, an option and its value two; what bash has already is not answered again."""
    assert rejoined(given, cursor) == mended


def completed(words: str, **environ: str) -> tuple[list[str], list[str]]:
    """What bash is answered for these words, one a line, and the modules that were imported for it."""
    asked = {"_PUBLISHER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count("\n"))}
    # Completion closes standard error.
    script = IMPORTED.replace("stderr", "stdout")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ | asked | environ
    )
    *answer, listed = done.stdout.splitlines()
    _, modules = json.loads(listed)

    return answer, modules


@pytest.mark.parametrize("words", ["publisher\n", "publisher\nst", "publisher\ndead-letters\n", "publisher\n--"])
def test_a_command_name_is_completed_without_importing_a_command(words: str) -> None:
    """A key press is answered without a driver, a server library or an actor. typer reads options with pydantic."""
    answer, modules = completed(words)

    assert answer
    assert [name for name in [*HEAVY, *OURS] if name in modules] == ["pydantic"]


@pytest.mark.parametrize("words", ["publisher\nexplain\n0b", "publisher\ntrace\n0b"])
def test_an_id_is_completed_with_postgresql_alone(words: str) -> None:
    """A key press behind `explain` or `trace` waits for no Redis library, no logs, and nothing that these commands do.

    Nobody listens at the address: there is nothing to answer, and everything was imported by then.
    """
    away = {"DATABASE_URL": "postgres://a@127.0.0.1:1/b", "REDIS_URL": "redis://127.0.0.1:1"}
    answer, modules = completed(words, **away)

    assert "".join(answer) == ""
    assert {"storage.ids.beginnings", "publisher.settings.settings"} <= {*modules}
    unneeded = [*("apscheduler", "dramatiq", "prometheus_client", "redis", "structlog"), "actors", "publisher.streams"]
    assert [name for name in [*unneeded, "publisher.publishing", "publisher.bootstrap"] if name in modules] == []


@pytest.mark.parametrize("name", ENTRIES)
def test_the_list_has_the_commands_of_each_group(name: str) -> None:
    """The names that a shell completes behind a group are the group's own."""
    group: Any = typer.main.get_command(app)
    command = group.get_command(None, name)

    assert ENTRIES[name].commands == tuple(getattr(command, "commands", ()))
