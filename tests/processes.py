"""The service's processes, started as a platform starts them."""

import fcntl
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import termios
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

from publisher.local.procfile import environment
from tests.waiting import wait_until

ROOT = Path(__file__).parent.parent
# Where commands run: a folder in which no `publisher up` runs, whatever runs in the checkout.
ELSEWHERE = Path("/")
COMMANDS = {
    "worker": (
        "dramatiq publisher.actors --processes 1 --threads 4 --worker-fork-timeout 10000"
        " --worker-shutdown-timeout 20000 --skip-logging"
    ),
    "clock": "publisher scheduler run",
    "intake": "publisher intake",
    "mailer": "publisher mailer run",
    "web": "publisher web",
}


class Process:
    """One process in a session of its own, and what it printed."""

    def __init__(self, command: str, environ: Mapping[str, str | None], log: Path) -> None:
        self.log = log
        self._command = command
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                f"exec {command}",
                shell=True,
                env=complete(environ),
                cwd=ELSEWHERE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.pid = self._popen.pid

    @property
    def output(self) -> str:
        """Everything printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def returncode(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._popen.poll()

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Signals the process, or its whole group as platforms do."""
        if self.returncode is None:
            (os.killpg if group else os.kill)(self.pid, number)

    def wait(self, within: float = 30.0) -> int:
        """The exit code, once it has ended."""
        wait_until(lambda: self.returncode is not None, within=within, describe=lambda: self.output[-3000:])
        assert self.returncode is not None
        return self.returncode

    def wait_for_output(self, text: str, within: float = 20.0, *, times: int = 1) -> None:
        """Returns once the text was printed, so many times."""
        wait_until(lambda: self.output.count(text) >= times, within=within, describe=lambda: self.output[-3000:])

    @property
    def is_ready(self) -> bool:
        """True once it stops in good order when it is told to: it has finished its imports and handles SIGTERM."""
        workers = re.search(r"\bdramatiq publisher\.actors --processes (\d+)", self._command)
        if workers:
            return self.output.count("ready for action") >= int(workers[1])
        # A process of the service handles it from its first moment on, and waits for it once it begins its work.
        return awaits_sigterm(self.pid, {"SigBlk"} if self._command in COMMANDS.values() else {"SigBlk", "SigCgt"})

    def wait_until_ready(self) -> None:
        """Returns once it is ready: one that still imports is ended by a SIGTERM as any process is."""
        wait_until(lambda: self.is_ready, within=40, describe=lambda: self.output[-3000:])

    def members(self) -> list[int]:
        """The processes of its group that still run, children that outlived it too."""
        found = subprocess.run(["ps", "-e", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
        listed = [line.split() for line in found.stdout.splitlines()]
        return [int(pid) for pid, group, state in listed if int(group) == self.pid and not state.startswith("Z")]

    def kill(self) -> None:
        """Ends the process and every process of its group at once, those that outlived it too."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()


class Processes:
    """Every process a test started."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self._environ = environ
        self._folder = folder
        self._all: list[Process] = []

    def start(self, name_or_command: str, **environ: str | None) -> Process:
        """Starts `worker`, `clock`, `intake` or another command line, with these variables besides, None for none."""
        command = COMMANDS.get(name_or_command, name_or_command)
        log = self._folder / f"process-{len(self._all)}.log"
        process = Process(command, {**self._environ, **environ}, log)
        self._all.append(process)
        return process

    def run(self, command: str, **environ: str | None) -> Process:
        """Runs a command line to its end."""
        process = self.start(command, **environ)
        process.wait()
        return process

    def kill_all(self) -> None:
        """Ends whatever still runs."""
        for process in self._all:
            process.kill()


def run_command(
    *arguments: str, environ: Mapping[str, str | None], stdin: str | bytes = ""
) -> subprocess.CompletedProcess[str]:
    """Runs a command line to its end, standard output and standard error apart. A variable of None is not set."""
    done = subprocess.run(
        arguments,
        env=complete(environ),
        cwd=ELSEWHERE,
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(arguments, done.returncode, done.stdout.decode(), done.stderr.decode())


def run_on_terminal(
    *arguments: str, environ: Mapping[str, str | None], answer: str = "", columns: int = 80
) -> tuple[int, str]:
    """Runs a command line on a terminal of this width and types the answer. Returns exit code and all it showed."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        terminal.write(answer.encode())
        process = subprocess.Popen(
            arguments,
            env=complete(environ),
            cwd=ELSEWHERE,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        shown = b""
        # On Linux a terminal whose other side is closed is an error to read from.
        with suppress(OSError):
            while chunk := terminal.read(65536):
                shown += chunk
    return process.wait(60), shown.decode()


def complete(environ: Mapping[str, str | None]) -> dict[str, str]:
    """The environment of a process with these variables, and none of ours from around the tests."""
    ours = ("PUBLISHER_", "DATABASE_URL", "REDIS_URL", "PROMETHEUS_", "dramatiq_", "COLUMNS")
    outer = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return environment(outer | {name: value for name, value in environ.items() if value is not None})


def marked(mark: str) -> dict[int, str]:
    """The processes that have this text in their environment, whoever started them: pid -> command line (Linux)."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                line = (folder / "cmdline").read_bytes()
                found[int(folder.name)] = line.replace(b"\0", b" ").decode(errors="replace")
    return found


def awaits_sigterm(pid: int, masks: Collection[str] = ("SigBlk", "SigCgt")) -> bool:
    """True once the process answers a SIGTERM itself (Linux).

    masks: SigCgt if it may handle it, SigBlk if a thread of it may wait for it.
    """
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, mask = line.partition(":")
            if name in masks and int(mask, 16) >> (signal.SIGTERM - 1) & 1:
                return True
    return False


# Below the ports that the kernel gives to clients, on Linux from 32768: nobody gets one by chance before it is used.
# Below those that the system gives to connections.
_FREE_PORTS = iter(random.SystemRandom().sample(range(15_000, 32_000), 17_000))
# As many as processes of one host that are told one port may use.
ROW = 20
_ROWS = iter(random.SystemRandom().sample(range(10_000, 15_000, ROW), 5_000 // ROW))
# A byte for each port, locked by the process that has handed it out: the tests of one machine run in several.
_HANDED_OUT = Path(tempfile.gettempdir()) / f"publisher-tests-ports-{os.geteuid()}"


def free_port() -> int:
    """A port on which nothing listens, and which no test process on this machine gets while this one runs."""
    for port in _FREE_PORTS:
        with suppress(OSError):
            fcntl.lockf(_ports_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            with socket.create_server(("127.0.0.1", port)):
                return port
    raise AssertionError("every port was handed out")


@cache
def _ports_file() -> IO[bytes]:
    """Never closed: closing it would give back every lock of this process."""
    return _HANDED_OUT.open("ab")


def row_of_ports() -> int:
    """The first of ROW ports in a row, which are handed out together, as `free_port` does with one."""
    for first in _ROWS:
        with suppress(OSError):
            fcntl.lockf(_ports_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, ROW, first)
            return first
    raise AssertionError("every row of ports was handed out")


def listens(port: int) -> bool:
    """True if something on this machine listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
