"""Completion in real shells: set up by `publisher --install-completion`, asked for with the Tab key."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.local.env_file import written_env_file
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside
from tests.factories import accepted
from tests.terminals import Terminal

# Each reads its startup file from HOME as a user's does, and nothing of this machine's.
SHELLS = {"bash": "bash --noprofile", "zsh": "zsh -o no_global_rcs", "fish": "fish"}
TAB = "\t"
CLEAR = "\x15"


@pytest.fixture(params=SHELLS)
def shell(
    request: pytest.FixtureRequest, environ: dict[str, str], publisher: Publisher, tmp_path: Path
) -> Iterator[Terminal]:
    """A shell at its prompt, in the folder of a `publisher up`. Completion was set up before."""
    name = request.param
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here")
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config"), "XDG_DATA_HOME": str(tmp_path)}
    done = publisher("--install-completion", name, **home)
    assert (done.returncode, done.stderr) == (0, "")
    servers: dict[str, str | None] = {"DATABASE_URL": None, "REDIS_URL": None}
    (tmp_path / ".publisher").mkdir()
    with written_env_file(tmp_path / ".publisher", environ):
        terminal = Terminal(SHELLS[name], environ | home | servers, 120, tmp_path)
        terminal.type("echo ready-$((40+2))\r" if name != "fish" else "echo ready-(math 40+2)\r")
        terminal.wait_for("ready-42")
        yield terminal
        terminal.kill()


def test_tab_completes_a_command_a_channel_and_an_id(shell: Terminal, database: Database, outside: Outside) -> None:
    """Also an id with colons, which bash takes for several words. The completed line runs, and it alone says where."""
    accepted(database)
    notification = str(outside.row("SELECT notification_id FROM notifications")["notification_id"])

    shell.type(f"publisher dead-l{TAB}")
    shell.wait_for("publisher dead-letters")
    shell.type(f"{CLEAR}publisher channels pause em{TAB}")
    shell.wait_for("publisher channels pause email")
    shell.type(f"{CLEAR}publisher explain {notification[:6]}{TAB}")
    shell.wait_for(f"publisher explain {notification}")
    shell.type(f"{CLEAR}publisher routes show {notification}/em{TAB}")
    shell.wait_for(f"publisher routes show {notification}/email:user:7")
    shell.type(f"{CLEAR}publisher routes show {notification}/email:us{TAB}")
    shell.wait_for(f"publisher routes show {notification}/email:user:7")
    shell.type("--json\r")

    screen = shell.wait_for(f'"delivery_id": "{notification}/email:user:7"')
    assert screen.text.count("using the servers of .publisher/env") == 1


def test_tab_shows_no_error_while_the_database_is_away(shell: Terminal) -> None:
    """Nothing is completed and nothing is printed: the next command works."""
    shell.type("export DATABASE_URL=postgresql://ann@127.0.0.1:1/name\r")
    shell.type(f"publisher explain 0b5{TAB}{CLEAR}publisher --ver{TAB}\r")

    screen = shell.wait_for("Python 3.")

    assert "Traceback" not in screen.text
    assert "PostgreSQL" not in screen.text
