"""Whoever reads the logs stalls, or goes away: every process works on, and stops when it is told to (R17, R26)."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from publisher.local.procfile import procfile
from tests.acceptance.outside import Outside
from tests.factories import intent_fields
from tests.processes import ROOT, Processes, awaits_sigterm, complete
from tests.waiting import wait_until

PATIENCE = 25.0
ROLES = ("worker", "intake", "clock")


class Unread:
    """A process whose standard output and error are a pipe that nobody reads, small enough to be full at once."""

    def __init__(self, command: str, environ: dict[str, str], *, gone: bool) -> None:
        self._end, theirs = os.pipe()
        fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
        self.popen = subprocess.Popen(
            f"exec {command}",
            shell=True,
            env=complete(environ),
            cwd=ROOT,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        if gone:
            os.close(self._end)

    def members(self) -> list[int]:
        """The processes of its group that still run."""
        found = subprocess.run(["ps", "-e", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
        listed = [line.split() for line in found.stdout.splitlines()]
        return [int(pid) for pid, group, state in listed if int(group) == self.popen.pid and state[0] != "Z"]

    def kill(self) -> None:
        """Ends whatever is left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        with suppress(OSError):
            os.close(self._end)


@pytest.fixture
def unread(environ: dict[str, str]) -> Iterator[Callable[..., Unread]]:
    """Starts a Procfile process whose reader stalls, or is gone."""
    environ |= {"PUBLISHER_ROUTE_BACKOFF_MAX": "0.5"}
    commands = procfile()
    with ExitStack() as stack:

        def start(role: str, *, gone: bool) -> Unread:
            process = Unread(commands[role], environ, gone=gone)
            stack.callback(process.kill)
            return process

        yield start


def talk(outside: Outside, rounds: int = 3) -> None:
    """Sends what makes every process log, and returns once all of it that can be published is."""
    for _ in range(rounds):
        before = outside.statuses().get("published", 0)
        good = [intent_fields() for _ in range(10)]
        bad = [intent_fields(recipients_json='[{"user_id": "x", "email": "no address"}]') for _ in range(3)]
        outside.send(*good, *bad, intent_fields(audience_kind="nobody"))
        wait_until(
            lambda before=before: outside.statuses().get("published", 0) >= before + 23,
            within=40,
            describe=outside.statuses,
        )


def stop(process: Unread) -> tuple[int | None, list[int]]:
    """Its exit code after a SIGTERM, None if it did not end in time, and what is left of its group."""
    # Intents are published without the clock: on a busy machine it may still be importing when all of them are.
    wait_until(lambda: awaits_sigterm(process.popen.pid))
    process.popen.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.popen.wait(PATIENCE)
    return process.popen.returncode, process.members()


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "stalled"])
@pytest.mark.parametrize("role", ROLES)
def test_a_process_whose_logs_nobody_reads_works_on_and_stops(
    role: str, gone: bool, unread: Callable[..., Unread], processes: Processes, outside: Outside
) -> None:
    """Intents are accepted and published all the same, and SIGTERM ends the process within 25 seconds (R17)."""
    for other in ROLES:
        if other != role:
            processes.start(other)
    process = unread(role, gone=gone)

    talk(outside)

    assert process.popen.poll() is None
    assert stop(process) == (0, [])


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("gone", [True, False], ids=["gone", "stalled"])
def test_every_one_of_twenty_stops_is_obeyed(
    gone: bool, unread: Callable[..., Unread], processes: Processes, outside: Outside, tmp_path: Path
) -> None:
    """Twenty times a worker whose logs nobody reads is stopped in the midst of its work, and ends (R17)."""
    processes.start("intake")
    processes.start("clock")
    ends = []
    for _ in range(20):
        worker = unread("worker", gone=gone)
        talk(outside, rounds=1)
        outside.send(*(intent_fields() for _ in range(200)))
        ends.append(stop(worker))

    assert ends == [(0, [])] * 20
