"""The checker of a chaos run: compares what was sent with what stands in PostgreSQL, on the streams and in the logs."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from tests.faults.fleet import PATIENCE, Fleet
from tests.faults.following import SomeServers
from tests.faults.invariants import commands, leaks, violations
from tests.faults.observer import Observer
from tests.faults.producer import ADDRESS_CANARY, BAD, PAYLOAD_CANARY, Producer
from tests.faults.run_result import RunResult
from tests.faults.servers import CANARY_IN_URLS

CANARIES = (ADDRESS_CANARY, PAYLOAD_CANARY, CANARY_IN_URLS)
_STREAM_FAILURES = {"mail_stream_publish_failed", "gateway_stream_publish_failed"}
_ENCODING = "payload_encoding_failed"
_BAD_INTENTS = "SELECT stream_entry_id FROM malformed_intents WHERE raw_fields ->> 'idempotency_key' LIKE %s"
_BAD_ADDRESSES = """
SELECT notification_id || '/' || route_id FROM routes JOIN notifications AS n ON n.id = notification_key
WHERE channel = 'email' AND resolved_email NOT LIKE '%@%'
"""


def check_run(result: RunResult, servers: SomeServers, fleet: Fleet, observer: Observer, producer: Producer) -> None:
    """Adds the run's counts and broken invariants to `result`. All must be quiet, and every process stopped."""
    # Valkey may have lost them since.
    recorded = {row[0] for row in servers.postgresql.rows(_BAD_INTENTS, f"{BAD}%")}
    expected = producer.expected()
    expected = replace(expected, malformed={*expected.malformed, *recorded})
    standing = commands(servers.valkey.client)
    gone = observer.gone(standing)
    result.problems += violations(servers.postgresql.url, servers.valkey.client, expected, gone)
    result.problems += observer.missed(standing)
    result.problems += _attempts(servers)
    held = servers.postgresql.rows("SELECT route, hold, status FROM held_and_sent ORDER BY id")
    result.problems += [f"route {route} is {status} and went under hold {hold}" for route, hold, status in held]
    result.problems += _processes(fleet)
    result.stopped = fleet.stopped
    result.attempts = dict(
        servers.postgresql.rows(
            "SELECT classification, count(*) FROM attempts_seen WHERE after > before GROUP BY 1 ORDER BY 1"
        )
    )
    ((leases, routes, worst),) = servers.postgresql.rows(
        "SELECT count(*), count(DISTINCT route), coalesce(max(losses), 0) FROM leases_lost"
    )
    statuses = dict(servers.postgresql.rows("SELECT status, count(*) FROM routes GROUP BY 1"))
    result.counts += Counter(
        {
            "intents": producer.intents,
            "routes": len(expected.routes),
            "intents sent again": producer.resent,
            "malformed intents": len(expected.malformed),
            "entries repeated after an error": producer.repeated,
            "entries that Valkey lost, sent again": producer.restored,
            "published": statuses.get("published", 0),
            "dead letters (bad addresses)": statuses.get("dead_letter", 0),
            "skipped (no address)": statuses.get("skipped", 0),
            "expired (late)": statuses.get("expired", 0),
            "cancelled": statuses.get("cancelled", 0),
            "commands that Valkey lost once they were read": sum(map(len, gone.values())),
            "of these, published again": sum(id_ in standing for id_ in gone),
            "commands that Valkey lost, published again": _lost(fleet),
            "processes started": fleet.started,
            "leases that ran out and were taken over": leases,
            "routes whose lease ran out": routes,
            "leases in a row that one route lost, at most": worst,
        }
    )


def _lost(fleet: Fleet) -> int:
    """How many commands the loss audits missed and had published again, read or not."""
    said = "route's command was lost by redis and is published again"
    return sum(log.read_text(errors="replace").count(said) for log in fleet.logs)


def _attempts(servers: SomeServers) -> Iterator[str]:
    """Every change of an attempt count, as the table saw it, must be one more for a reason that applies."""
    rows = servers.postgresql.rows("SELECT delivery_id, before, after, status, classification FROM attempts_seen")
    bad_addresses = {row[0] for row in servers.postgresql.rows(_BAD_ADDRESSES)}
    for delivery_id, before, after, status, classification in rows:
        # R12a: its command was lost by Valkey, and it starts anew.
        if after == 0 and status == "pending":
            continue
        allowed = {*_STREAM_FAILURES, *((_ENCODING, "lease_expired") if delivery_id in bad_addresses else ())}
        if after != before + 1 or classification not in allowed:
            yield f"{delivery_id} went from {before} to {after} attempts by {classification}"
    counted = Counter(delivery_id for delivery_id, _, after, _, _ in rows if after)
    reset = {delivery_id for delivery_id, _, after, _, _ in rows if not after}
    count = (
        "SELECT notification_id || '/' || route_id, attempt_count"
        " FROM routes JOIN notifications AS n ON n.id = notification_key WHERE attempt_count > 0"
    )
    for delivery_id, attempts in servers.postgresql.rows(count):
        if attempts != counted[delivery_id] and delivery_id not in reset:
            yield f"{delivery_id} counts {attempts} attempts; {counted[delivery_id]} were recorded"


def _processes(fleet: Fleet) -> Iterator[str]:
    yield from fleet.unexplained
    for stopped in fleet.stopped:
        if stopped.code != 0:
            yield f"{stopped.slot} ended with exit code {stopped.code} {stopped.seconds:.1f} s after {stopped.how}"
        elif stopped.seconds > PATIENCE:
            yield f"{stopped.slot} took {stopped.seconds:.1f} s to end after {stopped.how}"
    left = fleet.left_over()
    if left:
        yield f"{len(left)} processes outlived their groups"
    for log in fleet.logs:
        yield from (f"{canary} stands in {log.name}" for canary in leaks(log.read_text(errors="replace"), CANARIES))
