"""Ends a child process when the process that started it ends, even if that one was killed.

On Linux a child is sent a signal when its parent dies, also by `kill -9`. On other systems children may be left over;
they keep a lock, which the next start finds (see `publisher.local.embedded`).
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def end_with_parent(number: signal.Signals) -> None:
    """Has this process sent the signal once its parent ends, where the system can do it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def ends_with_us(number: signal.Signals) -> Callable[[], None] | None:
    """Returns the `preexec_fn` of a child that is sent the signal once the thread that started it ends.

    Start the child from the main thread, whose end is the end of the process. None where the system cannot do it.
    """
    if sys.platform != "linux":
        return None
    # Loaded here: in the child nothing may be imported.
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        # A handler of ours would take a signal that comes before the program begins, and the program would not see it.
        signal.signal(number, signal.SIG_DFL)
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            # It died in between.
            os.kill(os.getpid(), number)

    return ask


def master_pid() -> int:
    """The process that started this one, also if it has been killed since."""
    parent = multiprocessing.parent_process()
    # A fork server stands between the two.
    if parent is None or parent.pid is None or multiprocessing.get_start_method() == "forkserver":
        return os.getppid()
    return parent.pid
