"""Sends scans and maintenance messages at intervals, by APScheduler.

A message means "look now" and is idempotent. A missed tick costs nothing, and a second scheduler changes nothing (R14,
R15).
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from actors import retention
from actors.context import Context
from actors.retention import send_retention
from actors.routes import as_hint, send_scan
from publisher.process.watchdog import LIMIT

_log = structlog.get_logger()
_CLOCK = "clock"


def run_scheduler(context: Context, stopping: threading.Event) -> None:
    """Sends scans and pruning of every channel, each at its interval, until `stopping` is set."""
    scheduler = BackgroundScheduler(
        jobstores={"default": MemoryJobStore()},
        # The watchdog's beat has a thread of its own, so that jobs which wait for Redis do not delay it.
        executors={"default": ThreadPoolExecutor(4), _CLOCK: ThreadPoolExecutor(1)},
        # A late tick runs, and ticks that piled up run as one.
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        timezone=UTC,
    )
    for name in context.channels:
        _every(scheduler, context.scan_interval, f"scan {name}", partial(_tick, context, send_scan, name))
        _every(scheduler, retention.INTERVAL, f"retention {name}", partial(_tick, context, send_retention, name))
    # The scheduler beats for itself. The beat also stops when the wall clock is set back: the next tick would then be
    # as far away as the clock was set back, so the watchdog ends the process.
    _every(scheduler, LIMIT / 10, "beat", partial(context.watchdog.beat, _CLOCK), executor=_CLOCK)
    with context.watchdog.watched("the scheduler"), context.watchdog.at_work(_CLOCK):
        scheduler.start()
        _log.info("scheduler started", channels=list(context.channels), interval=context.scan_interval.total_seconds())
        stopping.wait()
    scheduler.shutdown(wait=False)
    _log.info("scheduler stopped")


def _tick(context: Context, send: Callable[[str], None], channel: str) -> None:
    with context.watchdog.at_work():
        as_hint(send, channel)


def _every(
    scheduler: BackgroundScheduler,
    interval: timedelta,
    name: str,
    job: Callable[[], None],
    executor: str = "default",
) -> None:
    scheduler.add_job(
        job,
        "interval",
        seconds=interval.total_seconds(),
        id=name,
        name=name,
        executor=executor,
        next_run_time=datetime.now(UTC),
    )
