"""Makes Python's cycle collector run seldom: what a process makes is freed at once without it, but for cycles."""

import gc


def collect_seldom() -> None:
    """Lets the collector look once many objects were made: imports and batches make thousands, and hardly a cycle."""
    gc.set_threshold(50_000, 20, 20)
