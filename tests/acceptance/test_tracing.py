"""Tracing from the producer to the SMTP server, exported over OTLP by the service's own processes (R26, R36)."""

import json
import signal

import redis

from publisher.channels.email import EMAIL
from tests.acceptance.outside import NO_SCANS, Outside
from tests.factories import intent_fields
from tests.mail_commands import PAYLOAD, TEMPLATE
from tests.otlp_collector import otlp_collector
from tests.processes import Processes
from tests.smtp_servers import Fault, HostileSmtp, Step
from tests.waiting import wait_until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_message_is_followed_from_its_producer_to_the_smtp_server(
    outside: Outside, processes: Processes, smtp: HostileSmtp, redis_client: redis.Redis
) -> None:
    """One trace, under the producer's span: route, first try, second try. Logs name it. It holds no address."""
    smtp.once(Fault(Step.RCPT, reply="451 4.7.1 Greylisted, ann@example.com come again"))
    with otlp_collector() as collector:
        asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100", **NO_SCANS}
        started = [processes.start(name, **asked) for name in ("intake", "worker", "mailer")]
        for process in started:
            process.wait_until_ready()
        for sent, flags in enumerate(("01", "00"), 1):
            outside.send(
                intent_fields(
                    notification_type=TEMPLATE,
                    idempotency_key=flags,
                    trace_id=f"00-{TRACE}-{PARENT}-{flags}",
                    channels_json='["email"]',
                    payload_json=json.dumps(PAYLOAD),
                )
            )
            wait_until(lambda sent=sent: len(smtp.taken) == sent)
        for process in started:
            process.signal(signal.SIGTERM)
        assert [process.wait() for process in started] == [0, 0, 0]

        [route] = collector.named("route")
        first, second = collector.named("send")
        assert (route.process, route.trace_id, route.parent) == ("worker", TRACE, PARENT)
        assert [(s.process, s.trace_id, s.parent) for s in (first, second)] == [("mailer", TRACE, route.span_id)] * 2
        assert (first.is_failed, second.is_failed, second.links) == (True, False, (first.span_id,))
        assert {PARENT} in [set(span.links) for span in collector.named("receive notification:intents")]
        assert {route.span_id} in [set(span.links) for span in collector.named(f"receive {EMAIL.stream}")]
        names = {span.name for span in collector.spans}
        assert {"commit", "claim mail", "record mail", "publish email", "claim email", "record email"} < names
        assert not any(b"ann@example.com" in body or b"a@" in body for body in collector.bodies)

    lines = [json.loads(line) for process in started for line in process.output.splitlines() if line.startswith("{")]
    [deferred] = [line for line in lines if line["event"] == "message deferred"]
    assert (deferred["trace_id"], deferred["span_id"]) == (TRACE, first.span_id)
    published = [line for line in lines if line["event"] == "route published"]
    assert {(line["trace_id"], line["span_id"]) for line in published} >= {(TRACE, route.span_id)}
    accepted = next(line for line in lines if line["event"] == "intents accepted")
    assert accepted["trace_id"] in {span.trace_id for span in collector.named("receive notification:intents")}
