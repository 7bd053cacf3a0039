"""Handles the stop signals of the long-running commands: the first one ends the process in an orderly way (R17)."""

import signal
import threading
from types import FrameType


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
        ignore_signals()
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)


def ignore_signals() -> None:
    """Ignores further stop signals, so that the process can finish what it has begun."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
