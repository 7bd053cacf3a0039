"""`publisher status`: processes, gates, exact counts; and `status --watch`, live."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from publisher.local.embedded import Servers
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import NO_SCANS, Outside, users
from tests.conftest import run_sql
from tests.factories import accepted, intent_fields
from tests.processes import ROOT, Process, Processes, complete
from tests.waiting import wait_until

WATCH = "publisher status --watch --interval 0.2"
# As an operator runs it: what it prints is buffered unless it sees to that itself.
SELDOM = "env -u PYTHONUNBUFFERED publisher status --watch --interval 60 --json"


def status(publisher: Publisher, *flags: str) -> dict[str, Any]:
    done = publisher("status", "--json", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def roles(publisher: Publisher) -> list[str]:
    return [process["role"] for process in status(publisher)["processes"]]


def frames(process: Process) -> list[dict[str, Any]]:
    """Every whole line printed so far."""
    return [json.loads(line) for line in process.output.splitlines(keepends=True) if line.endswith("\n")]


def wait_for_frame(process: Process, fits: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The first frame that fits, of those printed from now on."""
    earlier = len(frames(process))
    wait_until(lambda: any(fits(f) for f in frames(process)[earlier:]), describe=lambda: process.output[-3000:])
    return next(f for f in frames(process)[earlier:] if fits(f))


def happened(watch: Process, what: str) -> int:
    """How many of these the frames so far have counted on the email channel."""
    return round(sum(f["channels"]["email"][f"{what}_per_second"] * f["seconds"] for f in frames(watch)))


def test_every_process_is_seen_until_it_stops(
    processes: Processes, environ: dict[str, str], publisher: Publisher
) -> None:
    """Worker, clock and intake are there while they run, with who and where they are; a stop takes each away."""
    environ |= NO_SCANS
    started = [processes.start(name) for name in ("worker", "clock", "intake")]

    wait_until(lambda: roles(publisher) == ["clock", "intake", "worker"], describe=lambda: roles(publisher))
    clock = status(publisher)["processes"][0]
    assert clock["pid"] == started[1].pid
    assert clock["host"]
    assert clock["version"] == "0.1.0"
    assert clock["silent_seconds"] < 15
    assert "1 worker, 1 clock, 1 intake" in publisher("status").stdout
    for process in started:
        process.wait_until_ready()
        process.signal(signal.SIGTERM, group=True)
    assert [process.wait() for process in started] == [0, 0, 0]

    assert roles(publisher) == []


def test_a_killed_process_is_still_told_of(processes: Processes, environ: dict[str, str], publisher: Publisher) -> None:
    """Whoever had no time to say good-bye is shown with how long it has been silent."""
    environ |= NO_SCANS
    intake = processes.start("intake")
    wait_until(lambda: roles(publisher) == ["intake"])

    intake.kill()

    [seen] = status(publisher)["processes"]
    assert seen["pid"] == intake.pid
    assert status(publisher)["processes"][0]["silent_seconds"] > seen["silent_seconds"]


def test_a_paused_channel_shows_in_status(outside: Outside, publisher: Publisher) -> None:
    """Who closed a channel and why, for people and for machines."""
    outside.rows(
        "INSERT INTO channel_gates (channel, paused_at, paused_by, pause_reason) VALUES ('push', now(), 'ann', 'moves')"
    )

    push = status(publisher)["channels"]["push"]

    assert (push["state"], push["paused_by"], push["pause_reason"]) == ("paused", "ann", "moves")
    said = r"^push is paused by ann .*s ago, until it is resumed: moves → "
    assert re.search(said, publisher("status").stdout, re.MULTILINE)


def test_an_exact_count_is_no_estimate(database: Database, publisher: Publisher) -> None:
    """--exact counts every route, and says of none that it is estimated."""
    accepted(database, [{"recipients_json": users(3)}])

    email = status(publisher, "--exact")["channels"]["email"]

    assert (email["pending"], email["due"], email["estimated"]) == (3, 3, [])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--watch", "--exact"], "--exact"),
        (["--interval", "2"], "--interval"),
        (["--watch", "--interval", "0"], "--interval"),
    ],
)
def test_flags_that_make_no_sense_are_refused(publisher: Publisher, flags: list[str], said: str) -> None:
    """One line that names the flag, exit code 2."""
    done = publisher("status", *flags)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_frames_follow_each_other_where_there_is_no_terminal(
    processes: Processes, database: Database, outside: Outside
) -> None:
    """Plain text, frame after frame, without a byte of a terminal; Ctrl-C ends it with exit code 0."""
    accepted(database, [{"recipients_json": users(3), "channels_json": ["push"]}])
    watch = processes.start(WATCH)
    watch.wait_for_output("notification-publisher  ", times=3)

    watch.signal(signal.SIGINT)

    assert watch.wait() == 0
    assert "published/s" in watch.output
    assert "\x1b" not in watch.output
    assert "Traceback" not in watch.output
    push = next(line for line in watch.output.splitlines() if line.startswith("push"))
    assert push.split()[:6] == ["push", "open", "0", "0", "0", "3"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_watch_as_json_is_an_object_a_line(processes: Processes, outside: Outside, number: signal.Signals) -> None:
    """Each frame is one line, there at once, with stable names; a signal ends it between two lines."""
    watch = processes.start(SELDOM)
    frame = wait_for_frame(watch, lambda _: True)
    watch.signal(number)

    assert watch.wait() == 0
    assert set(frame) == {
        *("at", "seconds", "channels", "recent_failures", "failure_groups"),
        *("intents", "delivery_events", "streams_given_up", "processes", "problems", "verdict"),
    }
    assert frame["channels"]["email"] == {
        "state": "open",
        "last_audited_at": None,
        "limit": None,
        "paused_at": None,
        "paused_by": None,
        "pause_reason": None,
        "parked_at": None,
        "park_reason": None,
        "probe_at": None,
        "published_per_second": 0,
        "retried_per_second": 0,
        "dead_lettered_per_second": 0,
        "pending": 0,
        "failed": 0,
        "due": 0,
        "oldest_due_seconds": None,
        "in_flight": 0,
        "unanswered": {"count": 0, "at_least": False, "oldest_seconds": None, "last_answer_seconds": None},
        "readers": {
            "stream": "mail:delivery_commands",
            "length": 0,
            "groups": [],
            "more_groups": 0,
            "problem": None,
            "partitions": [],
        },
    }
    assert frame["intents"] == {"lag": 0, "is_bound": False, "pending": 0, "consumers": 0}
    assert (frame["processes"], frame["recent_failures"], frame["problems"]) == ([], [], [])
    assert watch.output.endswith("}\n")


def test_a_watch_shows_what_happens(processes: Processes, environ: dict[str, str], outside: Outside) -> None:
    """What is published, fails and is given up shows as rates, and the failure with its reason."""
    environ |= NO_SCANS | {"PUBLISHER_EMAIL_MAX_ATTEMPTS": "1"}
    for name in ("worker", "intake"):
        processes.start(name)
    watch = processes.start(f"{WATCH} --json")
    wait_for_frame(watch, lambda f: len(f["processes"]) == 2)

    outside.send(intent_fields(recipients_json=[*users(4), {"user_id": "9", "email": "nobody"}]))

    last = wait_for_frame(watch, lambda f: f["recent_failures"])
    wait_until(lambda: happened(watch, "published") >= 4, describe=lambda: watch.output[-3000:])
    wait_until(lambda: happened(watch, "dead_lettered") >= 1, describe=lambda: watch.output[-3000:])
    assert (happened(watch, "published"), happened(watch, "dead_lettered")) == (4, 1)
    assert happened(watch, "retried") == 0
    [failure], [group] = last["recent_failures"], last["failure_groups"]
    assert failure["classification"] == group["classification"] == "payload_encoding_failed"
    assert (group["count"], group["channel"]) == (1, "email")
    assert group["example"] == f"{failure['notification_id']}/{failure['route_id']}"


def test_a_watch_survives_an_outage(processes: Processes, database: Database, servers: Servers) -> None:
    """While PostgreSQL is away each frame says so, and shows what Redis knows; then it goes on by itself."""
    [[name]] = database.rows("SELECT current_database()")
    database.close()
    watch = processes.start(f"{WATCH} --json")
    wait_for_frame(watch, lambda f: f["channels"])
    run_sql(
        servers.database_url,
        f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false',
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )

    away = wait_for_frame(watch, lambda f: f["problems"])
    run_sql(servers.database_url, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    back = wait_for_frame(watch, lambda f: not f["problems"])

    assert "PostgreSQL is not available" in away["problems"][0]
    assert away["channels"] is None
    assert away["intents"] is not None
    assert back["channels"]
    assert watch.returncode is None


def test_a_terminal_shows_one_frame_in_its_place(environ: dict[str, str], outside: Outside) -> None:
    """At 80 columns no line is wider, each frame is drawn over the last, and Ctrl-C gives the cursor back: exit 0."""
    ours, theirs = os.openpty()
    command = ["sh", "-c", f"stty cols 80 rows 30 && exec {WATCH}"]
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            command, env=complete(environ), cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        shown = b""
        try:
            while shown.count(b"notification-publisher") < 3:
                shown += terminal.read(65536)
            process.send_signal(signal.SIGINT)
            while chunk := _read(terminal):
                shown += chunk
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
    text = shown.decode()
    assert "\x1b[1A" in text, "it does not go back up"
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l") >= 0, "the cursor stays hidden"
    assert "published/s" in text
    assert "Traceback" not in text


def _read(terminal: Any) -> bytes:
    try:
        return terminal.read(65536)
    except OSError:
        # On Linux a terminal whose other side is closed is an error to read from.
        return b""
