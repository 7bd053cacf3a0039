"""Runs the processes of the Procfile on this machine, as a platform would (honcho)."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from publisher.domain.errors import PublisherError
from publisher.process.log_output import LineOutput, LineStream

# What a line means is the format's own rule; honcho, which runs them, is not installed everywhere.
_LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*(.+)$", re.MULTILINE)
PROCESSES = ("worker", "clock", "intake")
# Processes have 25 seconds to stop (R17); a platform kills at 30.
_KILL_AFTER_SECONDS = 30


def procfile() -> dict[str, str]:
    """Process name -> command: the very file at the top of the project, packed into the wheel as well."""
    package = Path(__file__).parent.parent
    for path in (package.parent / "Procfile", package / "Procfile"):
        if path.is_file():
            return dict(_LINE.findall(path.read_text()))
    raise PublisherError("there is no Procfile beside or in the package: install the project again")


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a Procfile process: these variables, and this interpreter's commands first in PATH."""
    scripts = str(Path(sys.executable).parent)
    path = environ.get("PATH", os.defpath)
    return {**environ, "PATH": f"{scripts}{os.pathsep}{path}", "PYTHONUNBUFFERED": "1"}


def run_release(environ: Mapping[str, str]) -> None:
    """Runs the release command, as a platform does before it starts the processes.

    Raises PublisherError if it fails; what it had to say is on standard error.
    """
    done = subprocess.run(procfile()["release"], shell=True, env=environment(environ), stdout=sys.stderr, check=False)  # noqa: S602 - a Procfile holds shell commands
    if done.returncode:
        raise PublisherError(f"the release command ended with exit code {done.returncode}")


def run_processes(environ: Mapping[str, str], output: TextIO) -> int:
    """Runs worker, clock and intake until one of them ends or SIGINT or SIGTERM comes; then stops all.

    Their lines go to output, each with the name of its process; one that nobody reads is dropped. Call it in the main
    thread: the processes end with it. Returns 0 after a
    signal, else the exit code of the process that ended first.
    """
    manager = _manager(_unhurried(output))
    commands = procfile()
    metrics_port = int(environ.get("PUBLISHER_METRICS_PORT", "").strip() or 0)
    for offset, name in enumerate(PROCESSES):
        own = environment(environ)
        if metrics_port:
            # On one machine each needs a port of its own.
            own["PUBLISHER_METRICS_PORT"] = str(metrics_port + offset)
        # The shell between would keep the signals for itself.
        manager.add_process(name, f"exec {commands[name]}", env=own)
    manager.loop()
    return int(manager.returncode)


def _unhurried(output: TextIO) -> LineStream:
    descriptor = output.fileno()
    dropped = "{} lines were dropped: nobody read them\n"
    return LineStream(LineOutput(descriptor, lambda count: dropped.format(count).encode()), descriptor)


def _manager(output: LineStream) -> Any:
    from honcho import manager as honcho_manager
    from honcho.printer import Printer

    from publisher.local.procfile_process import Process

    # honcho has no parameter for it, and kills after 5 seconds.
    honcho_manager.KILL_WAIT = _KILL_AFTER_SECONDS

    class Manager(honcho_manager.Manager):  # type: ignore[misc]  # honcho has no types
        """Honcho's, but for its signal handlers: those fail on a signal that comes before every process has said
        its id, or while a line is printed, and leave the processes running."""

        returncode: int | None
        told = False

        def __init__(self, printer: Any) -> None:
            super().__init__(printer)
            self._process_ctor = Process

        def _start(self) -> None:
            def tell(_signum: int, _frame: FrameType | None) -> None:
                self.told = True

            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, tell)
            super()._start()

        def _all_started(self) -> bool:
            # The loop asks at every turn.
            started: bool = super()._all_started()
            if started and self.told and self.returncode is None:
                self.returncode = 0
                self.terminate()
            return started

    return Manager(Printer(output))


if __name__ == "__main__":
    sys.exit(run_processes(os.environ, sys.stdout))
