"""Runs the processes of the Procfile on this machine, as a platform would.

No process manager is used as a library: the known ones write to a reader that is gone, and leave processes behind
whose master was stopped before it could stop them.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

from publisher.domain.errors import PublisherError
from publisher.local.children import Check, Child, end_all, go_on, wait_for

_LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*(.+)$", re.MULTILINE)
PROCESSES = ("worker", "clock", "intake", "mailer", "web")
# Processes have 25 seconds to stop (R17); a platform kills at 30.
_KILL_AFTER_SECONDS = 30.0
# A process that has ended has printed everything. Whoever inherited its output may keep that open.
_LAST_LINES_SECONDS = 1.0

Say = Callable[[str, bytes], None]


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


def run_release(environ: Mapping[str, str], say: Say, check: Check = go_on) -> None:
    """Runs the release command, as a platform does before it starts the processes.

    say: as `processes` has it. check: as `wait_for` has it.
    Raises PublisherError if the command fails. What it printed was said before.
    """
    child = _start("release", environ, say)
    code = wait_for(child.process, check)
    child.relay.join(_LAST_LINES_SECONDS)
    if code:
        raise PublisherError(f"the release command ended with exit code {code}")


@contextmanager
def processes(environ: Mapping[str, str], say: Say) -> Iterator[Mapping[str, Child]]:
    """Runs PROCESSES, and stops them at the end. Call it in the main thread. Yields them by name.

    say: takes each line that one of them prints, with the name of its process; called by several threads.
    """
    started: dict[str, _Relayed] = {}
    try:
        for name in PROCESSES:
            started[name] = _start(name, environ, say)
        yield {name: child.process for name, child in started.items()}
    finally:
        end_all([child.process for child in started.values()], _KILL_AFTER_SECONDS)
        for child in started.values():
            child.relay.join(_LAST_LINES_SECONDS)


def first_ended(running: Mapping[str, Child]) -> str | None:
    """The name of a process that has ended; None while all of them run."""
    return next((name for name, child in running.items() if child.poll() is not None), None)


@dataclass(frozen=True, slots=True)
class _Relayed:
    """A child process, and the thread that passes on its lines."""

    process: Child
    relay: Thread


def _start(name: str, environ: Mapping[str, str], say: Say) -> _Relayed:
    command = procfile()[name]
    child = Child(  # noqa: S604 - a Procfile holds shell commands
        # A shell between would keep the signals for itself. The release command may be several.
        command if name == "release" else f"exec {command}",
        shell=True,
        env=environment(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )

    thread = Thread(target=_relay, args=(name, child.stdout, say), name=f"output of {name}", daemon=True)
    thread.start()
    return _Relayed(child, thread)


def _relay(name: str, output: IO[bytes], say: Say) -> None:
    with output:
        for line in output:
            say(name, line)
