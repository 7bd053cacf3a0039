"""Runs a second loop of a process in a thread of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def run_beside(loop: Callable[[], None], beside: Callable[[], None], stopping: threading.Event) -> None:
    """Runs both loops until they are told to stop: `loop` in this thread, `beside` in one of its own.

    If one of them ends by itself, by an error or not, the other is told to stop, so that the process ends. Raises the
    error of either.
    """

    def until_stopped() -> None:
        try:
            beside()
        finally:
            stopping.set()

    with ThreadPoolExecutor(1, thread_name_prefix="beside") as thread:
        other = thread.submit(until_stopped)
        try:
            loop()
        finally:
            stopping.set()
    other.result()
