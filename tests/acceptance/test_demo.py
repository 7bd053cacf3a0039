"""`publisher demo`: everything on one machine, and nothing left of it afterwards."""

import json
import re
import signal
from pathlib import Path

import pytest

from tests.acceptance.conftest import Publisher
from tests.acceptance.local_run import PATIENCE, Descendants
from tests.acceptance.outside import EMAIL, PUSH, Outside
from tests.mail_run import mail_server
from tests.processes import Processes, free_port
from tests.waiting import wait_until

BARS = ("sent", "published", "ended", "mailed")


def test_a_demo_on_embedded_servers_publishes_and_mails_everything_and_leaves_nothing(
    descendants: Descendants, publisher: Publisher, server_folder: Path
) -> None:
    """Without servers it brings its own, checks every route and every email, exits 0, and leaves no process and no file
    behind. One email is there to be read (R33)."""
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
    assert said["mail"]["messages"] == said["mail"]["accepted"] == by_status["email", "published"] == 39
    text = said["mail"]["sample"].pop("text")
    assert text.startswith("It is your turn.\n\nIn your game of chess, turn 1 is yours.\n")
    assert said["mail"]["sample"].pop("Date")
    assert said["mail"]["sample"] == {
        "From": "Chess Club <club@example.com>",
        "To": "user-0@example.com",
        "Subject": "It is your turn: chess, turn 1",
    }
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
    assert "mail is left out: PUBLISHER_SMTP_URL is not set\n" in done.stderr
    assert outside.row("SELECT count(*) FROM delivery_events") == {"count": 0}
    assert len(outside.commands(PUSH)) == 18
    assert outside.row("SELECT count(*) FROM notifications") == {"count": 20}


@pytest.mark.long
def test_a_demo_mails_through_the_server_it_is_given(
    publisher: Publisher, environ: dict[str, str], outside: Outside
) -> None:
    """With PUBLISHER_SMTP_URL set each email goes to that server once, and its answer is what can be checked (R33)."""
    with mail_server(environ) as smtp:
        done = publisher("demo", "--intents", "20", "--yes", **environ)

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\nevery published email was accepted by the SMTP server exactly once\n")
    published = outside.row("SELECT count(*) FROM routes WHERE channel = 'email' AND status = 'published'")
    assert published == {"count": len(smtp.taken)}
    assert len({taken.delivery_id for taken in smtp.taken}) == len(smtp.taken) > 0


def test_a_demo_starts_nothing_for_an_smtp_server_that_is_away(publisher: Publisher, server_folder: Path) -> None:
    """It says what it connects to, and ends at once with exit code 1 and one line that names the variable (R35)."""
    url = f"smtp://127.0.0.1:{free_port()}"

    done = publisher(
        "demo", "--yes", DATABASE_URL=None, REDIS_URL=None, PUBLISHER_SMTP_URL=url, PUBLISHER_MAIL_FROM="a@example.com"
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"connecting to the SMTP server {url}\n"
        f"publisher: no mail can be sent, so nothing was started: connection refused ({url}): see that the SMTP server"
        " runs there, or correct PUBLISHER_SMTP_URL\n"
    )
    assert list(server_folder.glob("publisher-demo-*")) == []


@pytest.mark.parametrize("command", [("demo",), ("up", "--data", "data")], ids=["demo", "up"])
def test_settings_are_looked_at_before_anything_is_started(
    publisher: Publisher, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that is missing costs no start of servers and no question: exit code 2, and one line."""
    monkeypatch.chdir(tmp_path)

    done = publisher(*command, DATABASE_URL=None, REDIS_URL=None, PUBLISHER_SMTP_URL="smtp://127.0.0.1:1")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "publisher: bad settings: PUBLISHER_MAIL_FROM must be set where PUBLISHER_SMTP_URL is\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("embedded", [False, True], ids=["given servers", "embedded servers"])
def test_a_demo_asks_before_it_sends_mail_through_a_server_it_was_given(publisher: Publisher, embedded: bool) -> None:
    """Nobody's server gets sample emails unasked: exit code 2."""
    servers = {"DATABASE_URL": None, "REDIS_URL": None} if embedded else {}

    done = publisher("demo", PUBLISHER_SMTP_URL="smtp://127.0.0.1:1", PUBLISHER_MAIL_FROM="a@example.com", **servers)

    assert done.returncode == 2
    assert "PUBLISHER_SMTP_URL" in done.stderr
    assert "pass --yes" in done.stderr


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


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)], ids=["Ctrl-C", "SIGTERM"]
)
def test_an_interrupted_demo_stops_everything_it_started(
    descendants: Descendants, processes: Processes, server_folder: Path, number: signal.Signals
) -> None:
    """Ctrl-C in its midst, and again and again while it stops, leaves no process and no file behind. It is said at once
    that the signal was seen."""
    demo = processes.start("publisher demo --intents 100000")
    descendants.wait_for("publisher intake", of=demo)

    wait_until(lambda: demo.signal(number, group=True) or demo.returncode is not None, within=PATIENCE)

    assert demo.returncode == 130, demo.output[-3000:]
    assert demo.output.splitlines()[-1] == "publisher: interrupted"
    assert "stopping (Ctrl-C again kills)\n" in demo.output
    descendants.wait_until_gone()
    assert list(server_folder.glob("publisher-demo-*")) == []


@pytest.mark.parametrize(
    "file",
    [
        "postgresql.new/PG_VERSION",
        *(pytest.param(file, marks=pytest.mark.long) for file in ("postgresql/postmaster.pid", "valkey", "smtp")),
        "processes.log",
    ],
)
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
    # The last is said once its processes run.
    passing = (*BARS, "stopping (Ctrl-C again kills)")
    said = [line for line in whole.splitlines() if line.strip() and not line.startswith(passing)]
    assert said == [
        "starting PostgreSQL, Valkey, an SMTP server and the processes of the Procfile",
        "publisher: interrupted",
    ]
    descendants.wait_until_gone()
    assert list(server_folder.glob("publisher-demo-*")) == []
