"""The clock: APScheduler says which actor is sent how often (spec section 4).

A tick is an idempotent "look now". Missing one, or having two schedulers, costs or changes nothing (R14, R15).
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from actors.context import Context
from actors.maintenance import send_audit
from actors.routes import as_hint, send_scan

_log = structlog.get_logger()


def run_scheduler(context: Context, stopping: threading.Event) -> None:
    """Sends a scan of every channel each interval, and the audits, until `stopping` is set."""
    scheduler = BackgroundScheduler(
        jobstores={"default": MemoryJobStore()},
        executors={"default": ThreadPoolExecutor(4)},
        # A late tick is run, not dropped, and ticks that piled up are one.
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        timezone=UTC,
    )
    for name in context.channels:
        _every(scheduler, context.scan_interval, f"scan {name}", partial(as_hint, send_scan, name))
        _every(scheduler, context.scan_interval, f"audit {name}", partial(as_hint, send_audit, name))
    scheduler.start()
    _log.info("scheduler started", channels=list(context.channels), interval=context.scan_interval.total_seconds())
    stopping.wait()
    scheduler.shutdown(wait=False)
    _log.info("scheduler stopped")


def _every(scheduler: BackgroundScheduler, interval: timedelta, name: str, job: Callable[[], None]) -> None:
    scheduler.add_job(
        job,
        "interval",
        seconds=interval.total_seconds(),
        id=name,
        name=name,
        next_run_time=datetime.now(UTC),
    )
