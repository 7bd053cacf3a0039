"""What the running processes tell of themselves: counters over HTTP, and one JSON event a line (R25, R26)."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.acceptance.counters import counted, metrics_port, scraped, served_port
from tests.acceptance.outside import EMAIL, Outside, users
from tests.factories import intent_fields
from tests.processes import Process, Processes, free_port
from tests.waiting import wait_until

SECRET = "hush-5ecret"  # noqa: S105 - looked for in logs
BAD = {"user_id": "9", "email": "nobody"}


def events(process: Process) -> list[dict[str, Any]]:
    """Every line that the process printed. Each must be a JSON object."""
    return [json.loads(line) for line in process.output.splitlines()]


def test_every_process_serves_its_counters(processes: Processes, environ: dict[str, str], outside: Outside) -> None:
    """Attempts, retries and dead letters are counted by the workers, intents by intake, all as named (R25)."""
    environ["PUBLISHER_EMAIL_MAX_ATTEMPTS"] = "2"
    environ["PUBLISHER_METRICS_PORT"] = metrics_port()
    started = {name: processes.start(name) for name in ("worker", "clock", "intake")}
    # Counters are served by a process beside the workers, which may start after they have published everything.
    ports = {name: served_port(process) for name, process in started.items()}
    intent = intent_fields(recipients_json=[*users(3), BAD])
    outside.send(intent, intent, intent | {"payload_json": '{"other": 1}'}, {"no": "intent"})
    outside.wait_for_routes(published=7, dead_letter=1)
    outside.wait_until_acknowledged()

    type_ = 'notification_type="game.turn.ready"'
    wait_until(lambda: len(counted(ports["worker"], "route_publish_attempts_total")) == 4)
    assert counted(ports["worker"], "route_publish_attempts_total") == {
        f'route_publish_attempts_total{{channel="{channel}",classification="{why}",{type_},result="{result}"}}': count
        for channel, why, result, count in [
            ("email", "", "published", 3),
            ("email", "payload_encoding_failed", "retry", 1),
            ("email", "payload_encoding_failed", "dead_letter", 1),
            ("push", "", "published", 4),
        ]
    }
    assert counted(ports["worker"], "route_retries_total") == {f'route_retries_total{{channel="email",{type_}}}': 1}
    assert counted(ports["worker"], "route_dead_letters_total") == {
        f'route_dead_letters_total{{channel="email",classification="payload_encoding_failed",{type_}}}': 1
    }
    wait_until(lambda: len(counted(ports["intake"], "intents_total")) == 4)
    assert counted(ports["intake"], "intents_total") == {
        f'intents_total{{result="{result}"}}': 1 for result in ("accepted", "duplicate", "conflict", "malformed")
    }
    assert scraped(ports["intake"])["publisher_intent_commit_seconds_count"] == 1
    assert scraped(ports["worker"])['publisher_intent_command_seconds_count{channel="email"}'] == 3


def test_the_clock_serves_the_gauges(processes: Processes, environ: dict[str, str], outside: Outside) -> None:
    """What waits and who runs, as `publisher status` shows it, without a scan of the finished routes (R25)."""
    environ["PUBLISHER_METRICS_PORT"] = metrics_port()
    outside.send(intent_fields(recipients_json=users(3)))
    processes.start("intake")
    outside.wait_for_routes(pending=6)

    port = served_port(processes.start("clock"))

    wait_until(lambda: scraped(port).get('publisher_processes{role="clock"}') == 1, describe=lambda: scraped(port))
    found = scraped(port)
    assert found['publisher_routes_due{channel="email"}'] + found['publisher_routes_in_flight{channel="email"}'] == 3
    assert found['publisher_processes{role="worker"}'] == 0
    assert found['publisher_finding{cause="no_worker",channel="",level="failed"}'] == 1
    assert found["publisher_schema_pending_migrations"] == 0


ROUTE_FIELDS = {
    "notification_type": "game.turn.ready",
    "producer": "game-service",
    "audience_kind": "user",
    "idempotency_key": "turn-17",
    "request_id": "request-1",
    "trace_id": "trace-1",
    "channel": "email",
}


def test_each_outcome_is_one_json_event_that_says_whose_it_was(
    processes: Processes, environ: dict[str, str], outside: Outside
) -> None:
    """Published, rescheduled and dead-lettered routes each leave a line with everything to find them by (R26)."""
    environ["PUBLISHER_EMAIL_MAX_ATTEMPTS"] = "2"
    worker = processes.start("worker")
    processes.start("intake")
    outside.send(
        intent_fields(
            idempotency_key="turn-17",
            request_id="request-1",
            trace_id="trace-1",
            channels_json=["email"],
            recipients_json=[*users(1), BAD],
        )
    )
    outside.wait_for_routes(published=1, dead_letter=1)
    for line in ("route published", "route failed and was rescheduled", "route dead-lettered"):
        worker.wait_for_output(line)

    id_ = str(outside.row("SELECT notification_id FROM notifications")["notification_id"])
    said = {event["event"]: event for event in events(worker) if event["event"].startswith("route")}
    failure = {
        "max_attempts": 2,
        "failure_classification": "payload_encoding_failed",
        "failure_message": "the email address must have exactly one @, and text on both sides of it",
    }
    bad = {"notification_id": id_, "route_id": "email:user:9", "delivery_id": f"{id_}/email:user:9"}
    good = {"notification_id": id_, "route_id": "email:user:0", "delivery_id": f"{id_}/email:user:0"}
    _assert_says(said["route published"], "info", ROUTE_FIELDS | good)
    _assert_says(
        said["route failed and was rescheduled"], "warning", ROUTE_FIELDS | bad | failure | {"attempt_number": 1}
    )
    _assert_says(said["route dead-lettered"], "warning", ROUTE_FIELDS | bad | failure | {"attempt_number": 2})
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|\+00:00)", said["route failed and was rescheduled"]["next_attempt_at"]
    )
    assert all("at" in event for event in events(worker))


def _assert_says(event: Mapping[str, Any], level: str, fields: Mapping[str, object]) -> None:
    assert {name: event.get(name) for name in fields} == fields
    assert event["level"] == level


@pytest.mark.parametrize(
    ("addresses", "shown", "hidden"),
    [("masked", "o***@example.com", "ops.team@"), ("full", "ops.team@example.com", "***")],
)
def test_addresses_are_masked_unless_a_setting_says_otherwise(
    processes: Processes, environ: dict[str, str], outside: Outside, addresses: str, shown: str, hidden: str
) -> None:
    """A log holds `o***@example.com`, wherever the address stood; `full` shows it (R26)."""
    environ["PUBLISHER_LOG_ADDRESSES"] = addresses
    worker = processes.start("worker")
    intake = processes.start("intake")
    outside.send(intent_fields(audience_kind="admin_email", recipients_json=[{"email": "ops.team@example.com"}]))
    outside.wait_for_routes(published=1)
    worker.wait_for_output("route published")

    (published,) = [event for event in events(worker) if event["event"] == "route published"]
    assert published["route_id"] == f"email:address:{shown}"
    assert published["delivery_id"].endswith(f"/email:address:{shown}")
    assert hidden not in worker.output + intake.output


def test_no_log_holds_a_payload_or_a_password(processes: Processes, environ: dict[str, str], outside: Outside) -> None:
    """At debug level, through failures and refusals, neither content nor credentials are printed (R26)."""
    environ["PUBLISHER_LOG_LEVEL"] = "DEBUG"
    for name, user in (("DATABASE_URL", "postgres"), ("REDIS_URL", "default")):
        environ[name] = _with_password(environ[name], user)
    outside.redis.set(EMAIL, "no stream")
    running = [processes.start(name) for name in ("worker", "clock", "intake")]
    outside.send(
        intent_fields(payload_json={"text": SECRET}, recipients_json=[*users(1), BAD]),
        intent_fields(payload_json=f"[{SECRET}"),
        intent_fields(payload_json={"text": SECRET}, surprise=SECRET),
        intent_fields(payload_json={"text": SECRET, "nul": "\0"}),
    )
    wait_until(
        lambda: outside.rows("SELECT 1 FROM routes HAVING min(attempt_count) FILTER (WHERE channel='email') > 1")
    )
    outside.wait_until_acknowledged()
    no_postgresql = _with_port(environ["DATABASE_URL"], free_port())
    no_redis = _with_port(environ["REDIS_URL"], free_port())
    running += [
        processes.start("intake", DATABASE_URL=no_postgresql, PUBLISHER_INTENTS_GROUP="another"),
        processes.start("worker", DATABASE_URL=no_postgresql),
        processes.start("worker", REDIS_URL=no_redis),
    ]
    for process in running[3:]:
        process.wait_for_output("not available")

    running[0].wait_for_output("route failed and was rescheduled")
    running[2].wait_for_output("malformed intent")
    assert not [process.output for process in running if SECRET in process.output]


def _with_password(url: str, user: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{SECRET}@{parts.netloc.rpartition('@')[2]}"))


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{port}", query=""))
