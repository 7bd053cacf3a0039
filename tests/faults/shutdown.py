"""Measures how long processes take to end: a worker that hangs, and all processes told to stop under full load."""

import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from storage.database import Database
from tests.acceptance.outside import users
from tests.factories import accepted, intent_fields
from tests.faults.in_process import seen_outside
from tests.faults.planted_code import plant_code
from tests.faults.recovery import Recovery
from tests.processes import Process, Processes
from tests.waiting import wait_until

HUNG = "an encoder loops for ever, under a lease of 60 s: its process has ended"
STOPPED = "SIGTERM twice, to the group, with everything to do: the {} has ended with exit code 0"
# A watchdog in the same process must get its turn beside this.
_ENDLESS = """
from publisher.channels.push import PUSH
whole = PUSH.encode
def encode(notification, route):
    while notification.notification_type == "game.endless":
        pass
    return whole(notification, route)
object.__setattr__(PUSH, "encode", encode)
"""
_LEASED = "SELECT id FROM routes WHERE lease_token IS NOT NULL"


def hang(environ: Mapping[str, str], processes: Processes, folder: Path) -> Recovery:
    """Runs a worker with the longest lease on a route whose encoder never returns, until its watchdog ends it."""
    variables = {**environ, "PUBLISHER_ROUTE_LEASE_TTL": "60", "PUBLISHER_SCAN_INTERVAL": "0.5"}
    plant_code(variables, folder, _ENDLESS)
    with (
        seen_outside(environ) as outside,
        closing(Database(environ["DATABASE_URL"], application_name="test")) as database,
    ):
        accepted(database, [{"notification_type": "game.endless", "channels_json": ["push"]}])
        processes.start("clock", **variables)
        worker = processes.start("worker", **variables)
        wait_until(lambda: outside.rows(_LEASED), describe=lambda: worker.output[-3000:])
        began = time.monotonic()
        worker.wait(90)
        took = time.monotonic() - began
        assert "a message makes no progress" in worker.output, worker.output[-3000:]
        # Not for the next ones to hang on.
        outside.rows("UPDATE routes SET status = 'skipped', next_attempt_at = NULL, lease_token = NULL,"
                     " lease_expires_at = NULL WHERE channel = 'push'")  # fmt: skip
    return Recovery(HUNG, [took], 60.0)


def stop_under_load(environ: Mapping[str, str], processes: Processes) -> list[Recovery]:
    """Worker, intake and clock with tens of thousands of routes and intents before them, told to stop twice."""
    variables = {**environ, "PUBLISHER_SCAN_INTERVAL": "0.05"}
    with (
        seen_outside(environ) as outside,
        closing(Database(environ["DATABASE_URL"], application_name="test")) as database,
    ):
        accepted(database, [{"recipients_json": users(1000)}] * 30)
        outside.send(*(intent_fields(recipients_json=users(100)) for _ in range(1000)))
        running = {name: processes.start(name, **variables) for name in ("worker", "intake", "clock")}
        running["clock"].wait_for_output("scheduler started")
        wait_until(lambda: outside.statuses().get("published", 0) > 1000, describe=outside.statuses)
        began = time.monotonic()
        for process in [*running.values()] * 2:
            process.signal(signal.SIGTERM, group=True)
        ended = _ends(running, began)
        assert outside.statuses()["pending"] > 1000, "they had done everything before they were told"
    assert [process.returncode for process in running.values()] == [0, 0, 0], running["worker"].output[-3000:]
    return [Recovery(STOPPED.format(name), [seconds], 25.0) for name, seconds in ended.items()]


def overruns(shutdowns: Sequence[Recovery]) -> list[str]:
    """Those that took longer than is promised."""
    return [f"{r.what}: {r.longest:.1f} s, over {r.bound} s" for r in shutdowns if r.bound and r.longest > r.bound]


def _ends(running: Mapping[str, Process], began: float) -> dict[str, float]:
    ended: dict[str, float] = {}

    def all_ended() -> bool:
        for name, process in running.items():
            if name not in ended and process.returncode is not None:
                ended[name] = time.monotonic() - began
        return len(ended) == len(running)

    wait_until(all_ended, within=60, describe=lambda: ended)
    return ended
