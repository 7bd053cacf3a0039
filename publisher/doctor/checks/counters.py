"""Where the counters of the running processes are served, and which process serves none though it was told to."""

from collections.abc import Sequence
from dataclasses import dataclass

from publisher.doctor.verdict import Diagnosis, ok, warning
from publisher.operations.wording import names


@dataclass(frozen=True, slots=True)
class Counting:
    """A living process. name: role, host and pid. port: where its counters are served, or 0."""

    name: str
    host: str
    port: int


def counters(configured: int, processes: Sequence[Counting]) -> Diagnosis:
    """Lists the ports. configured: PUBLISHER_METRICS_PORT, as this command has it; 0: no process is asked to serve."""
    silent = [process.name for process in processes if not process.port]
    if configured and silent:
        return warning(
            f"no counters are served by: {names(silent)}",
            f"its log says why: on that host every port from {configured} on is taken, or it was started without"
            " PUBLISHER_METRICS_PORT",
        )
    # The workers of one master share a port.
    served = dict.fromkeys(f"{process.host}:{process.port}" for process in processes if process.port)
    return ok(f"counters are served at {names(list(served))}" if served else "no process serves counters")
