"""CPU seconds of every process that takes part: the service's own by name, PostgreSQL and every Redis as a whole.

User and system time, from the operating system. Unlike a rate, it hardly depends on what else the machine does.
"""

from collections.abc import Mapping

import psutil

from tests.benchmarks.stage import Stage


def cpu_seconds(on: Stage) -> dict[str, float]:
    """Returns the CPU seconds used since each process started, by name: the Procfile's, `PostgreSQL` and `Redis`."""
    own = {name: sum(map(_seconds, family)) for name, family in on.family().items()}
    return own | {"PostgreSQL": _postgresql(on), "Redis": _redis(on)}


def since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Returns the CPU seconds between two readings."""
    return {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _postgresql(on: Stage) -> float:
    """Of the postmaster, of its children that run, and of those that have ended."""
    [(pid,)] = on.database.rows("SELECT pg_backend_pid()")
    postmaster = psutil.Process(pid).parent()
    assert postmaster is not None
    while True:
        ended = postmaster.cpu_times()
        try:
            running = sum(map(_seconds, [postmaster, *postmaster.children()]))
        except psutil.NoSuchProcess:
            # One ended in between, and is among the ended from now on.
            continue
        return running + float(ended.children_user + ended.children_system)


def _redis(on: Stage) -> float:
    clients = {id(client): client for places in getattr(on, "places", {}).values() for client, _ in places}
    seen = [client.info("cpu") for client in (on.redis, *clients.values())]
    return float(sum(each["used_cpu_user"] + each["used_cpu_sys"] for each in seen))
