"""The watchdog: a worker process that makes no progress, or whose master is gone, ends itself."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from actors.middleware.watchdog import EXIT_STUCK
from publisher.bootstrap import hang_limit
from publisher.environment import load_settings
from tests.processes import Process, Processes
from tests.waiting import wait_until

# A worker of one thread whose watchdog ticks fast, and ends it after five ticks without progress.
WORKER = """
import os, signal, sys, threading, time
from datetime import timedelta
import dramatiq
from dramatiq.brokers.stub import StubBroker
from actors.middleware import watchdog

watchdog._TICK = 0.1
guard = watchdog.WorkerWatchdog(timedelta(seconds=0.5))
broker = StubBroker(middleware=[guard])
dramatiq.set_broker(broker)

@dramatiq.actor
def work(): {work}

worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
def run():
    worker.start()
    {main}
{run}
"""
# For longer than the watchdog allows.
LONG = "time.sleep(1.2)"


def start(processes: Processes, folder: Path, *, work: str = "pass", main: str, run: str = "run()") -> Process:
    script = folder / "worker.py"
    script.write_text(WORKER.format(work=work, main=main, run=run))
    return processes.start(f"python {script}")


def test_a_stuck_worker_process_ends_itself(processes: Processes, tmp_path: Path) -> None:
    """A message that is at work for too long ends its process, which says why."""
    process = start(processes, tmp_path, work="threading.Event().wait()", main="work.send(); threading.Event().wait()")

    assert process.wait() == EXIT_STUCK
    assert "a message makes no progress" in process.output


@pytest.mark.parametrize(
    ("work", "main"),
    [
        ("pass", LONG),
        ("pass", f"work.send(); broker.join('default'); {LONG}"),
        ("raise ValueError", f"work.send(); broker.join('default'); {LONG}"),
        ("[(time.sleep(0.1), guard.beat()) for _ in range(12)]", "work.send(); broker.join('default')"),
        ("time.sleep(0.1)", "[work.send() for _ in range(12)]; broker.join('default')"),
        ("pass", f"guard.beat(); {LONG}"),
    ],
    ids=["idle", "done", "failed", "long with progress", "many", "progress outside a message"],
)
def test_a_worker_process_that_is_not_stuck_lives(work: str, main: str, processes: Processes, tmp_path: Path) -> None:
    """A process that is idle, or goes on, is left alone, however long it runs."""
    process = start(processes, tmp_path, work=work, main=f"{main}; os._exit(0)")

    assert process.wait() == 0


def test_a_worker_process_without_its_master_stops(processes: Processes, tmp_path: Path) -> None:
    """When the master was killed its worker stops as at a SIGTERM: nobody else would ever stop it."""
    stopped = tmp_path / "stopped"
    run = f"""
if os.fork():
    signal.pause()
signal.signal(signal.SIGTERM, lambda *_: (open({str(stopped)!r}, "w").close(), os._exit(0)))
run()
"""
    master = start(processes, tmp_path, main="print('ready', flush=True); threading.Event().wait()", run=run)
    master.wait_for_output("ready")

    os.kill(master.pid, signal.SIGKILL)

    wait_until(stopped.exists, describe=lambda: master.output)


@pytest.mark.parametrize(
    ("lease", "limit"),
    [("0.5", 6), ("3", 6), ("4", 6), ("20", 30), ("30", 45), ("33.4", 50), ("60", 50), ("3000", 50)],
)
def test_a_worker_that_hangs_ends_within_a_minute_whatever_its_lease(
    lease: str, limit: float, environ: Mapping[str, str]
) -> None:
    """Half as long again as a lease, never beyond the minute, and never below what one step may wait."""
    settings = load_settings({**environ, "PUBLISHER_ROUTE_LEASE_TTL": lease, "PUBLISHER_DEDUP_WINDOW": "36000"})

    found = hang_limit(settings).total_seconds()

    assert found == pytest.approx(limit, abs=0.1)
    assert settings.timeouts.step.total_seconds() <= found <= 58
