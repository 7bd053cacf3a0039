"""Makes Python's cycle collector run seldom: what a process makes is freed at once without it, but for cycles."""

import gc


def collect_seldom() -> None:
    """Lets the collector look once many objects were made: batches make thousands, and hardly a cycle."""
    gc.set_threshold(50_000, 20, 20)


def collect_hardly_ever() -> None:
    """Lets the collector look once a command has made several times as many objects as its imports make."""
    gc.set_threshold(500_000, 20, 20)


def leave_garbage() -> None:
    """Lets the collector ignore everything that exists by now: for the end of a process.

    The interpreter searches all objects for cycles twice before it ends, which is a fifth of a short command's time.
    The operating system takes the memory back without that.
    """
    gc.freeze()
