"""A deploy renames a channel's stream: nothing is sent twice, and nothing is lost, by the real processes (R12, R15)."""

import signal
from collections import Counter

from tests.acceptance.outside import EMAIL, Outside, users
from tests.factories import intent_fields
from tests.processes import Processes
from tests.waiting import wait_until

NEW = "mail:commands-2"
ROUTES = 2000


def deliveries(outside: Outside) -> Counter[str]:
    """How often each delivery stands, on both streams together."""
    return outside.deliveries(EMAIL) + outside.deliveries(NEW)


def wait_for_an_audit(outside: Outside) -> None:
    """Returns once email was audited to the end from now on."""
    began = outside.row("SELECT clock_timestamp() AS now")["now"]
    sql = "SELECT 1 FROM stream_audits WHERE channel = 'email' AND covered_to > %s"
    wait_until(lambda: outside.rows(sql, began), describe=lambda: outside.rows("SELECT * FROM stream_audits"))


def test_a_deploy_that_renames_a_stream_sends_nothing_twice(
    processes: Processes, environ: dict[str, str], outside: Outside
) -> None:
    """Workers of both names overlap, those of the old one are killed in the middle, and audits go on: each once."""
    environ |= {"PUBLISHER_AUDIT_WINDOW": "4", "PUBLISHER_ROUTE_LEASE_TTL": "2", "PUBLISHER_BATCH_SIZE": "50"}
    old = processes.start("worker")
    for name in ("clock", "intake"):
        processes.start(name)
    outside.send(*[intent_fields(recipients_json=users(500), channels_json=["email"]) for _ in range(2)])
    wait_until(lambda: outside.redis.xlen(EMAIL) > 100)

    processes.start("worker", PUBLISHER_EMAIL_STREAM=NEW)
    outside.send(*[intent_fields(recipients_json=users(500), channels_json=["email"]) for _ in range(2)])
    wait_until(lambda: outside.redis.xlen(EMAIL) > 300)
    old.signal(signal.SIGKILL, group=True)
    outside.wait_for_routes(published=ROUTES, within=60)
    wait_for_an_audit(outside)
    wait_for_an_audit(outside)

    assert len(deliveries(outside)) == ROUTES
    assert set(deliveries(outside).values()) == {1}
    assert outside.statuses() == {"published": ROUTES}
    where = outside.rows("SELECT stream, count(*) FROM routes GROUP BY stream")
    assert {row["stream"]: row["count"] for row in where} == {
        stream: outside.redis.xlen(stream) for stream in (EMAIL, NEW) if outside.redis.xlen(stream)
    }
