"""Starts child processes, and ends each together with everything that it has started.

Each has a session of its own: a Ctrl-C in the terminal is for its parent alone, which decides what ends first.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from publisher.process.lifeline import ends_with_us

# How long processes may take that outlive the one which started them, and how long one that is killed.
_LEFT_BEHIND_SECONDS = 5.0
_STEP_SECONDS = 0.02

Check = Callable[[], None]
_children: set["Child"] = set()


def go_on() -> None:
    """The check of a caller that nothing interrupts."""


class Child(subprocess.Popen[bytes]):
    """A child process in a session of its own. Start it from the main thread (see `publisher.process.lifeline`)."""

    def __init__(
        self,
        arguments: Any,
        *,
        stop: signal.Signals = signal.SIGTERM,
        kill: signal.Signals = signal.SIGKILL,
        tied: bool = True,
        **options: Any,
    ) -> None:
        """Starts the process.

        stop: the signal that asks it to end.
        kill: the signal after which it ends at once, with its data safe.
        tied: whether it is asked to end as soon as this process has ended, even if that was killed.
        options: as those of subprocess.Popen.
        """
        preexec = ends_with_us(stop) if tied else None
        super().__init__(arguments, start_new_session=True, preexec_fn=preexec, **options)
        self.stop_signal = stop
        self.kill_signal = kill
        _children.add(self)

    def end(self, patience: float) -> None:
        """Asks it to end, kills it if it still runs after so many seconds, and ends what it has left behind."""
        end_all([self], patience)

    def signal_group(self, number: int) -> bool:
        """Signals every process of its group; 0 only asks. Returns False if there is none."""
        # macOS answers with PermissionError where only ended processes are left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
            return True
        return False


def end_all(children: Collection[Child], patience: float) -> None:
    """Asks all of them to end, kills those that still run after so many seconds, and ends what they left behind."""
    deadline = time.monotonic() + patience
    for child in children:
        child.send_signal(child.stop_signal)
    for child in children:
        for number in (child.kill_signal, signal.SIGKILL):
            try:
                child.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                child.signal_group(number)
                deadline = time.monotonic() + _LEFT_BEHIND_SECONDS
        child.wait()
        _end_group(child)
        _children.discard(child)


def wait_for(child: Child, check: Check) -> int:
    """Returns the exit code once the process has ended. Ends it if `check` raises."""
    try:
        while child.poll() is None:
            check()
            time.sleep(_STEP_SECONDS)
        return int(child.returncode)
    finally:
        child.end(_LEFT_BEHIND_SECONDS)


def kill_children() -> None:
    """Ends every child process at once. A handler of a signal may call it."""
    for child in tuple(_children):
        child.signal_group(child.kill_signal)


def _end_group(child: Child) -> None:
    """Ends processes that have outlived the child: a worker that was still booting when its master was stopped."""
    deadline = time.monotonic() + _LEFT_BEHIND_SECONDS
    running = child.signal_group(signal.SIGTERM)
    while running and time.monotonic() < deadline:
        time.sleep(_STEP_SECONDS)
        running = child.signal_group(0)
    if running:
        child.signal_group(signal.SIGKILL)
