"""Which of Dramatiq's queues a worker consumes: each channel has one (R16)."""

from collections.abc import Iterable

import dramatiq


def served_channels(worker: dramatiq.Worker, channels: Iterable[str]) -> list[str]:
    """The channels whose queue this worker consumes: every one, or those that `--queues` names.

    What a worker does of its own accord (scans, audits) it does for these alone. The other channels are their own
    workers' matter.
    """
    return [name for name in channels if name in worker.consumers]
