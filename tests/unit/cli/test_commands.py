"""The list of commands: what it says without importing any, and that it is what they say themselves."""

import inspect
import json
import os
import subprocess
import sys
from typing import Any

import pytest
import typer

from publisher.cli.app import app
from publisher.cli.commands import ENTRIES

HEAVY = [
    "aiosmtplib",
    "apscheduler",
    "css_inline",
    "dramatiq",
    "jinja2",
    "peewee",
    "prometheus_client",
    "psycopg2",
    "pydantic",
    "redis",
    "structlog",
]
OURS = ["actors", "publisher.bootstrap", "publisher.settings", "publisher.streams", "storage"]
# What runs the service and changes routes, and what draws a bar: nothing that is needed to read.
RUNS = ["actors", "publisher.bootstrap", "publisher.intake", "publisher.publishing", "publisher.scheduler"]
DRAWS = ["rich.live", "rich.progress"]
# What the mail service renders and sends with.
MAILS = ["aiosmtplib", "css_inline", "jinja2"]
# For an id like the second ones the streams are asked, too: an entry can have it.
READS = [
    *(["status"], ["explain", "x"], ["trace", "x"], ["explain", "17-0"], ["trace", "17-0"]),
    *(["channels", "list"], ["actions", "list"], ["actions", "show", "x"]),
]
IMPORTED = """
import json, sys
from publisher.cli.app import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def run_and_list(*arguments: str, **environ: str) -> tuple[int, list[str]]:
    """The exit code of a command line, and the modules that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environ,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, modules


def away(*arguments: str) -> list[str]:
    """The modules that a command has imported when it finds no server: it is past its settings by then."""
    code, modules = run_and_list(*arguments, DATABASE_URL="postgres://a@127.0.0.1:1/b", REDIS_URL="redis://127.0.0.1:1")
    assert code == 1
    return modules


@pytest.mark.parametrize("arguments", [["--help"], []], ids=["--help", "alone"])
def test_the_help_imports_no_command(arguments: list[str]) -> None:
    """`publisher --help` needs no driver, no server library and no actor: it is there at once."""
    _, modules = run_and_list(*arguments)

    assert "typer" in modules
    assert [name for name in [*HEAVY, *OURS, "importlib.metadata"] if name in modules] == []
    assert [name for name in modules if name.startswith("publisher.cli.") and name.split(".")[2] in ENTRIES] == []


def test_a_command_is_imported_with_its_first_use() -> None:
    """The help of one command imports that command, and no other."""
    _, modules = run_and_list("migrate", "--help")

    assert [name for name in ENTRIES if f"publisher.cli.{name}" in modules] == ["migrate"]


@pytest.mark.parametrize("arguments", READS, ids=" ".join)
def test_a_command_that_reads_imports_nothing_that_runs(arguments: list[str]) -> None:
    """A status or an id is asked for again and again: no actor, broker, scheduler or progress bar is imported first.

    Nothing that logs either, so that the logs of such a command need not be configured.
    """
    modules = away(*arguments)

    assert "storage.database" in modules
    unwanted = [*RUNS, *DRAWS, "apscheduler", "dramatiq", "prometheus_client", "structlog"]
    assert [name for name in unwanted if name in modules] == []


@pytest.mark.parametrize("arguments", [["mailer", "--help"], ["mailer", "suppressions", "--help"], ["status"]])
def test_what_renders_and_sends_is_imported_by_those_who_do(arguments: list[str]) -> None:
    """Jinja, the CSS inliner and the SMTP client are the mail service's alone."""
    _, modules = run_and_list(*arguments)

    assert [name for name in MAILS if name in modules] == []


@pytest.mark.parametrize("command", ["explain", "trace"])
def test_redis_is_imported_for_an_id_that_an_entry_can_have(command: str) -> None:
    """PostgreSQL alone knows every other id: redis-py would take a fifth of the time of looking it up."""
    assert "redis" not in away(command, "810f842b-fa23-de51-2635-b474b944b839")
    assert "redis" in away(command, "17-0")


@pytest.mark.parametrize("name", ENTRIES)
def test_the_list_says_of_each_command_what_it_says_itself(name: str) -> None:
    """The line under `publisher --help` is the first line of the command's own help."""
    group: Any = typer.main.get_command(app)
    command = group.get_command(None, name)

    assert command.name == name
    assert ENTRIES[name].help == inspect.cleandoc(command.help).split("\n\n")[0].replace("\n", " ")
