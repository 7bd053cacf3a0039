"""`publisher demo`: everything on one machine, and nothing left of it afterwards."""

import json
import re
import signal
from pathlib import Path

import pytest

from tests.acceptance.conftest import Publisher
from tests.acceptance.local_run import PATIENCE, Descendants
from tests.acceptance.outside import EMAIL, PUSH, Outside
from tests.processes import Processes
from tests.waiting import wait_until

BARS = ("sent", "published", "ended")


def test_a_demo_on_embedded_servers_publishes_everything_and_leaves_nothing(
    descendants: Descendants, publisher: Publisher, server_folder: Path
) -> None:
    """Without servers it brings its own, checks every route, exits 0, and leaves no process and no file behind."""
    done = publisher("demo", "--intents", "50", "--json")

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["problems"] == []
    assert said["intents"] == 50
    assert said["elapsed_seconds"] > 0
    by_status = {(row["channel"], row["status"]): row["routes"] for row in said["by_status"]}
    assert sum(by_status.values()) == said["routes"] == 95
    assert by_status["push", "published"] == 45
    assert set(said["commands"]) == {EMAIL, PUSH}
    descendants.wait_until_gone()
    assert list(server_folder.glob("publisher-demo-*")) == []


def test_a_demo_uses_the_servers_it_is_given(publisher: Publisher, outside: Outside) -> None:
    """With both URLs set it sends its intents through these, and says what came out in words."""
    done = publisher("demo", "--intents", "20", "--yes")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "23 intents were sent, some of them broken on purpose: 1 malformed, 1 conflicts (the key of another, with other"
        " content), 1 duplicates, 1 to a bad email address (dead_letter), 4 to none (skipped).\n"
    )
    assert done.stdout.endswith("\nevery route was published exactly once or ended as it had to\n")
    assert len(outside.commands(PUSH)) == 18
    assert outside.row("SELECT count(*) FROM notifications") == {"count": 20}


def test_a_demo_asks_before_it_uses_servers_it_was_given(publisher: Publisher, outside: Outside) -> None:
    """Without a terminal and without --yes nothing is sent: exit code 2."""
    done = publisher("demo", "--intents", "20")

    assert done.returncode == 2
    assert "pass --yes" in done.stderr
    assert done.stderr.count("\n") == 1
    assert outside.redis.dbsize() == 0


@pytest.mark.parametrize("command", ["demo", "up"])
@pytest.mark.parametrize("missing", ["DATABASE_URL", "REDIS_URL"])
def test_one_server_alone_is_a_mistake(publisher: Publisher, command: str, missing: str) -> None:
    """One URL without the other ends in exit code 2 and one line that names what is set."""
    done = publisher(command, **{missing: None})

    (given,) = {"DATABASE_URL", "REDIS_URL"} - {missing}
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(f"publisher: {given} alone is set")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_demo_stops_everything_it_started(
    descendants: Descendants, processes: Processes, server_folder: Path, number: signal.Signals
) -> None:
    """Ctrl-C in its midst, and again and again while it stops, leaves no process and no file behind."""
    demo = processes.start("publisher demo --intents 100000")
    descendants.wait_for("publisher intake", of=demo)

    wait_until(lambda: demo.signal(number, group=True) or demo.returncode is not None, within=PATIENCE)

    assert demo.returncode == 130, demo.output[-3000:]
    assert demo.output.splitlines()[-1] == "publisher: interrupted"
    descendants.wait_until_gone()
    assert list(server_folder.glob("publisher-demo-*")) == []


@pytest.mark.parametrize("file", ["postgresql.new/PG_VERSION", "postgresql/postmaster.pid", "valkey", "processes.log"])
def test_ctrl_c_ends_a_demo_at_any_moment(
    file: str, descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """One line, exit code 130, and nothing is left: while it sets up PostgreSQL, starts a server, migrates, works."""
    demo = processes.start("publisher demo --intents 50")
    wait_until(lambda: list(server_folder.glob(f"publisher-demo-*/{file}")), within=PATIENCE)

    demo.signal(signal.SIGINT, group=True)

    assert demo.wait(PATIENCE) == 130, demo.output[-3000:]
    # The migrations fill more than a line, which is wrapped between two names.
    whole = re.sub(r"^applied (\d{4}_\w+,?\s+)+", "", demo.output, flags=re.MULTILINE)
    said = [line for line in whole.splitlines() if line.strip() and not line.startswith(BARS)]
    assert said == ["starting PostgreSQL, Valkey and the processes of the Procfile", "publisher: interrupted"]
    descendants.wait_until_gone()
    assert list(server_folder.glob("publisher-demo-*")) == []
