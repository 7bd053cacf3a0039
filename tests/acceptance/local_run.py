"""`publisher up` and `publisher demo` as tests see them: when all is at work, and when nothing of it is left."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from subprocess import PIPE

import redis

from tests.acceptance.outside import Outside
from tests.conftest import connected
from tests.processes import Process, marked
from tests.waiting import wait_until

# Servers and three processes start or end within this, on a busy machine.
PATIENCE = 40.0


@dataclass(frozen=True)
class Descendants:
    """The processes that come of a test, children of killed ones too. mark: a text in their environment."""

    mark: str

    @property
    def command_lines(self) -> list[str]:
        """The command line of each that runs."""
        return list(marked(self.mark).values())

    def pids_of(self, command: str) -> list[int]:
        """The pids of those with this in their command line, shells that run it left out."""
        return [pid for pid, line in marked(self.mark).items() if command in line and not line.startswith("sh -c")]

    def wait_for(self, command: str, *, of: Process) -> None:
        """Returns once one with this in its command line runs. of: the process that starts it."""
        wait_until(
            lambda: any(command in line for line in self.command_lines), within=PATIENCE, describe=lambda: of.output
        )

    def kill(self) -> None:
        """Ends whichever still run: those of a manager that was killed are in sessions of their own."""
        for pid in marked(self.mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def wait_until_gone(self) -> None:
        """Returns once none runs."""
        wait_until(lambda: not self.command_lines, within=PATIENCE, describe=lambda: self.command_lines)


def wait_until_serving(up: Process) -> None:
    """Returns once `publisher up` says that every process is ready."""
    up.wait_for_output("up      | ready\n", within=PATIENCE)


@contextmanager
def served_by(up: Process) -> Iterator[Outside]:
    """Opens the servers that it says it runs, once every process is ready."""
    wait_until_serving(up)
    exports = "".join(line for line in up.output.splitlines(keepends=True) if line.startswith("export "))
    # As a shell reads the lines that are there to be pasted.
    done = subprocess.run(
        ["sh", "-c", f'{exports}printf "%s\\n%s" "$DATABASE_URL" "$REDIS_URL"'], stdout=PIPE, check=True
    )
    database_url, redis_url = done.stdout.decode().split("\n")
    with (
        connected(database_url) as connection,
        redis.Redis.from_url(redis_url, decode_responses=True) as client,
    ):
        yield Outside(connection, client)
