"""Runs several loops of a process side by side."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor


def run_beside(loops: Sequence[Callable[[], None]], stopping: threading.Event) -> None:
    """Runs the loops until they are told to stop: the first in this thread, each of the others in one of its own.

    If one of them ends by itself, by an error or not, the others are told to stop, so that the process ends. Raises the
    error of one of them.
    """
    first, *others = loops

    def until_stopped(loop: Callable[[], None]) -> None:
        try:
            loop()
        finally:
            stopping.set()

    with ThreadPoolExecutor(max(1, len(others)), thread_name_prefix="beside") as threads:
        running = [threads.submit(until_stopped, loop) for loop in others]
        until_stopped(first)
    for other in running:
        other.result()
