"""Handles the stop signals of the commands that run for long: the first one ends them in an orderly way (R17)."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def obey_as_first_process() -> None:
    """Makes SIGTERM end this process where it is the first of a container.

    The kernel drops a signal for such a process unless the process handles it. Call it before anything takes time;
    what a command does with its signals later replaces this.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def end_well_while_starting() -> None:
    """Makes SIGTERM end this process at once with exit code 0: it has begun nothing that it could give back (R17).

    For a process that runs until it is told to stop. `stop_on_signals` replaces this before its work begins.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


def stop_on_signals(stopping: threading.Event) -> None:
    """Makes SIGTERM and SIGINT set the event. A repeat changes nothing: platforms signal a whole group.

    A thread waits for them. A handler would run in the main thread, in the middle of whatever it does: that may
    be the handler before it, or a wait for this event, with the event's own lock in hand. Call it before any
    other thread starts.
    """
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)

    def wait() -> None:
        signal.sigwait(signals)
        stopping.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()


def wait_for_signal() -> None:
    """Returns at the first SIGTERM or SIGINT. From the call on neither ends the process by itself."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    signal.sigwait(signals)


def interrupt_once() -> None:
    """Makes the first SIGTERM or SIGINT end a command as Ctrl-C does: what it started is stopped on the way out.

    The ones after it are ignored: they would interrupt just that, and leave processes and files behind.
    """

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)


class StopSignals:
    """The stop signals that this process received. They interrupt nothing: the command asks for them.

    So none leaves a child process or a file behind, whatever the command is doing when the signal comes.
    """

    def __init__(self, hurry: Callable[[], None]) -> None:
        """Handles SIGINT, SIGTERM and SIGHUP from now on, the last one only if it is not ignored (nohup).

        hurry: called for a Ctrl-C after the first stop signal, in the midst of any other code of the main thread. A
            repeated SIGTERM changes nothing: managers signal a process, and then its whole group.
        """
        self.requested = False
        self.hurried = False
        self._hurry = hurry
        self._raising = False
        signal.signal(signal.SIGINT, self._note)
        signal.signal(signal.SIGTERM, self._note)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._note)

    def ignore(self) -> None:
        """Ignores stop signals from now on: the interpreter, which ends next, would be killed by one."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def check(self) -> None:
        """Raises KeyboardInterrupt once a stop signal has come."""
        if self.requested:
            raise KeyboardInterrupt

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Lets a stop signal raise KeyboardInterrupt anywhere in the block: for a computation that holds nothing."""
        self._raising = True
        try:
            self.check()
            yield
        finally:
            self._raising = False

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            self.hurried = True
            self._hurry()
        self.requested = True
        if self._raising:
            self._raising = False
            raise KeyboardInterrupt
