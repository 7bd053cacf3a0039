"""`publisher doctor`: exit codes, JSON, and what a person reads."""

import json
import socket
import time
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside
from tests.factories import GROUP, INTENTS
from tests.processes import ROOT, Processes, free_port
from tests.waiting import wait_until


def checks(done: CompletedProcess[str]) -> dict[str, dict[str, str]]:
    """What `doctor --json` printed, by the names of the checks."""
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert {tuple(record) for record in records} == {("name", "verdict", "finding", "remedy")}
    found = {record["name"]: record for record in records}
    assert len(found) == len(records)
    return found


def test_a_release_on_a_fit_system_may_begin(publisher: Publisher) -> None:
    """Warnings alone are no failure: exit code 0, and nothing on standard error."""
    done = publisher("doctor", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    found = checks(done)
    assert {record["verdict"] for record in found.values()} == {"ok", "warning"}
    assert found["schema"] == {
        "name": "schema",
        "verdict": "ok",
        "finding": "every migration is applied",
        "remedy": "",
    }
    assert found["intents-group"]["verdict"] == "warning"


def test_a_release_on_an_old_schema_may_not(publisher: Publisher, create_database: Callable[[str], str]) -> None:
    """One failed check is exit code 1, and after its remedy it is 0."""
    empty = {"DATABASE_URL": create_database("template1")}

    before = publisher("doctor", "--json", **empty)
    publisher("migrate", **empty)
    after = publisher("doctor", "--json", **empty)

    assert (before.returncode, after.returncode) == (1, 0)
    assert checks(before)["schema"]["verdict"] == "failed"
    assert checks(before)["schema"]["remedy"] == "run 'publisher migrate'"


@pytest.mark.parametrize(
    ("variable", "scheme", "name"), [("DATABASE_URL", "postgresql", "postgresql"), ("REDIS_URL", "redis", "redis")]
)
def test_a_server_that_is_silent_is_waited_for_a_few_seconds(
    publisher: Publisher, variable: str, scheme: str, name: str
) -> None:
    """It takes the connection and never answers: the check fails, the other server's checks are done all the same."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        done = publisher("doctor", "--json", **{variable: f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/0"})
        took = time.monotonic() - began

    found = checks(done)
    assert done.returncode == 1
    assert {record["verdict"] for record in found.values()} == {"ok", "warning", "failed", "unknown"}
    assert [n for n, record in found.items() if record["verdict"] == "failed"] == [name]
    assert took < 15


def test_a_person_reads_a_line_a_check_and_a_summary(publisher: Publisher) -> None:
    """Verdict, name and finding; the remedy behind an arrow; equal checks that could not look on one line; how many of
    each at the end."""
    done = publisher("doctor", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")

    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["ok", "settings", "every", "PUBLISHER_", "variable", "is", "known"]
    [failure] = [line for line in lines if line.startswith("failed")]
    assert failure.split()[1] == "redis"
    assert " → mend that first: nothing more of Redis can be looked at" in failure
    [unseen] = [line for line in lines if line.startswith("unknown")]
    together = int(unseen.split()[1])
    assert " ".join(unseen.split()[2:]) == "checks not looked at: needs Redis → mend redis first"
    assert lines[-1].startswith(f"{len(lines) - 3 + together} checks: ")
    assert lines[-1].endswith(f"1 failed, {together} unknown")


def test_no_password_is_printed(publisher: Publisher) -> None:
    """The URLs hold them, and what the drivers say of a server that is away must not."""
    port = free_port()

    done = publisher(
        "doctor",
        DATABASE_URL=f"postgresql://ann:hunter2@127.0.0.1:{port}/none",
        REDIS_URL=f"redis://ann:hunter2@127.0.0.1:{port}/0",
    )

    assert done.returncode == 1
    assert "hunter2" not in done.stdout + done.stderr


def test_hostile_names_do_not_reach_the_terminal(publisher: Publisher, outside: Outside) -> None:
    """A consumer's name may hold anything; a person sees it without its control characters."""
    outside.redis.xgroup_create(INTENTS, GROUP, "0", mkstream=True)
    outside.redis.xadd(INTENTS, {"a": "b"})
    outside.redis.xreadgroup(GROUP, "dead\x1b[2J\nok everything", {INTENTS: ">"})
    wait_until(lambda: outside.redis.xinfo_consumers(INTENTS, GROUP)[0]["idle"] > 200)

    done = publisher("doctor", PUBLISHER_ROUTE_LEASE_TTL="0.1", PUBLISHER_LOG_LEVEL="ERROR")

    [line] = [line for line in done.stdout.splitlines() if "intents-pending" in line]
    assert "dead?[2J?ok everything" in line
    assert line.startswith("warning")
    assert "\x1b" not in done.stdout


def test_a_running_system_shows_its_connections_and_its_group(
    processes: Processes, outside: Outside, publisher: Publisher
) -> None:
    """With a worker and an intake at work nothing is amiss but what the tests' server lacks."""
    processes.start("worker")
    processes.start("intake")
    outside.send({"no": "intent"})
    # A group that was just made has nothing unread either, for a moment.
    wait_until(lambda: outside.rows("SELECT id FROM malformed_intents"))
    outside.wait_until_acknowledged()

    done = publisher("doctor", "--json")

    found = checks(done)
    assert done.returncode == 0
    assert {n for n, record in found.items() if record["verdict"] != "ok"} == {"postgresql-durability"}
    assert "publisher-intake 1" in found["connections"]["finding"]
    assert found["intents-group"]["finding"] == "0 unread, consumers: 1"


def test_settings_that_are_bad_are_named_as_by_every_command(publisher: Publisher) -> None:
    """Without settings there is nothing to examine: exit code 2 and one line."""
    done = publisher("doctor", DATABASE_URL=None)

    assert (done.returncode, done.stdout) == (2, "")
    assert "DATABASE_URL is not set" in done.stderr


def test_a_mail_server_that_is_away_stops_no_release(publisher: Publisher) -> None:
    """Mail waits for it: a warning that names the variable, and exit code 0 (R33)."""
    away = {
        "PUBLISHER_SMTP_URL": f"smtp://127.0.0.1:{free_port()}",
        "PUBLISHER_MAIL_FROM": "ann@example.com",
        "PUBLISHER_MAIL_TEMPLATES": str(ROOT / "publisher" / "local" / "templates"),
    }

    done = publisher("doctor", "--json", **away)

    assert done.returncode == 0
    found = checks(done)["mail-server"]
    assert (found["verdict"], found["finding"][:18]) == ("warning", "PUBLISHER_SMTP_URL")
