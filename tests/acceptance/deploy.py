"""A deploy amid the work changes where emails go: workers of before and after overlap, then the first are killed."""

import signal

from tests.acceptance.outside import EMAIL, Outside, users
from tests.factories import intent_fields
from tests.processes import Processes
from tests.waiting import wait_until

# Routes that are published in all.
ROUTES = 2000


def deploy(processes: Processes, environ: dict[str, str], outside: Outside, **changed: str) -> None:
    """Returns once all routes are published, and were audited twice since. changed: settings, by variable."""
    environ |= {"PUBLISHER_AUDIT_WINDOW": "4", "PUBLISHER_ROUTE_LEASE_TTL": "2", "PUBLISHER_BATCH_SIZE": "50"}
    old = processes.start("worker")
    for name in ("clock", "intake"):
        processes.start(name)
    _send_half(outside)
    wait_until(lambda: outside.redis.xlen(EMAIL) > 100)

    processes.start("worker", **changed)
    _send_half(outside)
    wait_until(lambda: outside.redis.xlen(EMAIL) > 300)
    old.signal(signal.SIGKILL, group=True)
    outside.wait_for_routes(published=ROUTES, within=60)
    for _ in range(2):
        _wait_for_an_audit(outside)


def _send_half(outside: Outside) -> None:
    outside.send(*[intent_fields(recipients_json=users(500), channels_json=["email"]) for _ in range(2)])


def _wait_for_an_audit(outside: Outside) -> None:
    """Returns once email was audited to the end from now on."""
    began = outside.row("SELECT clock_timestamp() AS now")["now"]
    sql = "SELECT 1 FROM stream_audits WHERE channel = 'email' AND covered_to > %s"
    wait_until(lambda: outside.rows(sql, began), describe=lambda: outside.rows("SELECT * FROM stream_audits"))
