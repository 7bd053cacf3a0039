"""An intent over HTTP becomes a command at once, by the real processes, and its answer over HTTP is the route's."""

import signal

import httpx2

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, NO_SCANS, Outside
from tests.acceptance.test_web_process import url_of
from tests.integration.web.door.test_intents import written
from tests.otlp_collector import otlp_collector
from tests.processes import Processes
from tests.waiting import wait_until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_an_intent_over_http_is_published_at_once_and_answered(
    processes: Processes, publisher: Publisher, outside: Outside
) -> None:
    """No scan is needed: the door tells the workers as intake does, and its batch is a span with a link to the trace.

    Its log holds no token and no address (R26, R36).
    """
    with otlp_collector() as collector:
        processes.start("worker", **NO_SCANS).wait_until_ready()
        web = processes.start("web", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **NO_SCANS)
        token = publisher("tokens", "add", "game-service", "--purpose", "a test").stdout.strip()
        gateway = publisher("tokens", "add", "our-mail", "--sends", "events", "--purpose", "a test").stdout.strip()
        with httpx2.Client(base_url=url_of(web)) as client:
            client.headers["authorization"] = f"Bearer {token}"
            sent = client.post("/v1/intents", json=written(trace_id=f"00-{TRACE}-{PARENT}-01"))
            assert sent.status_code == 201, sent.text
            [command] = wait_until(lambda: outside.commands(EMAIL))
            event = {"event_id": "e-1", "event": "delivered", "occurred_at_ms": 1773480414120}
            event["delivery_id"] = command["delivery_id"]
            answered = client.post("/v1/delivery-events", json=event, auth=("any", gateway))
            assert answered.status_code == 201, answered.text
            shown = client.get(f"/v1/notifications/{sent.json()['notification_id']}").json()
        web.signal(signal.SIGTERM)
        assert web.wait() == 0
        [received] = collector.named("receive intents over HTTP")

    assert received.links == (PARENT,)
    [email] = [route for route in shown["routes"] if route["channel"] == "email"]
    assert (email["status"], email["answer"], email["command"]["stream"]) == ("published", "delivered", EMAIL)
    assert "npt_" not in web.output
    assert "ann@example.com" not in web.output
