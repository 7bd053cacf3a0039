"""Outages in the log: one line at once, one an interval with a count, one when the server is back (R26)."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from publisher.domain.errors import (
    DatabaseBusy,
    DatabaseMisconfigured,
    DatabaseRefused,
    DatabaseUnavailable,
    MailServerMisconfigured,
    MailServerUnavailable,
    PublisherError,
    RedisRefused,
    RedisUnavailable,
)
from publisher.process.outages import Outages, Server, server_of

AWAY = RedisUnavailable("Redis is not available: connection refused")
GONE = DatabaseUnavailable("PostgreSQL is not available: connection refused")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the outages."""
    return Clock()


@pytest.fixture
def outages(clock: Clock) -> Outages:
    """Outages that are counted, a line a minute, and over after two seconds of answers."""
    counting = Outages(timedelta(minutes=1), timedelta(seconds=2), clock)
    counting.watch()
    return counting


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """Every line that is logged."""
    with capture_logs() as events:
        yield events


def says(outages: Outages, error: PublisherError, event: str = "a scan failed") -> bool:
    """Logs a line about this error. True if it is written as it stands."""
    try:
        assert outages.collapse(None, "warning", {"event": event, "error": error})["error"] == str(error)
    except structlog.DropEvent:
        return False
    return True


def test_the_first_failure_is_logged_at_once(outages: Outages, logged: list[Any]) -> None:
    """With its error, and the line that it stands for."""
    assert not says(outages, AWAY)

    assert logged == [
        {
            "event": "redis is not available",
            "error": str(AWAY),
            "noticed_by": "a scan failed",
            "log_level": "warning",
        }
    ]


def test_further_failures_make_one_line_an_interval_with_their_number(
    outages: Outages, logged: list[Any], clock: Clock
) -> None:
    """Eight failures a second for three minutes: three lines after the first, the newest error in each."""
    for n in range(8 * 180 + 1):
        clock.now = 1000.0 + n / 8
        says(outages, RedisUnavailable(f"failure {n}"))

    assert [(line["event"], line.get("failures"), line["error"]) for line in logged] == [
        ("redis is not available", None, "failure 0"),
        ("redis is still not available", 481, "failure 480"),
        ("redis is still not available", 961, "failure 960"),
        ("redis is still not available", 1441, "failure 1440"),
    ]
    assert len({line["since"] for line in logged[1:]}) == 1


def test_a_server_that_is_back_is_told_once_it_has_settled(outages: Outages, logged: list[Any], clock: Clock) -> None:
    """The time until the first answer, and the number of failures; nothing after that."""
    says(outages, AWAY)
    says(outages, AWAY)
    clock.now += 190
    outages.answered(Server.REDIS)
    assert len(logged) == 1
    clock.now += 2
    for _ in range(3):
        outages.answered(Server.REDIS)

    assert logged[1:] == [
        {"event": "redis is available again", "after": "3 min 10 s", "failures": 2, "log_level": "warning"}
    ]
    assert not says(outages, AWAY)
    assert logged[-1]["event"] == "redis is not available"


def test_an_answer_between_two_failures_ends_no_outage(outages: Outages, logged: list[Any], clock: Clock) -> None:
    """A reply that was on its way, or a server that is loading its data, is not back."""
    for _ in range(20):
        says(outages, AWAY)
        outages.answered(Server.REDIS)
        clock.now += 1.5

    assert [line["event"] for line in logged] == ["redis is not available"]


def test_each_server_has_an_outage_of_its_own(outages: Outages, logged: list[Any], clock: Clock) -> None:
    """PostgreSQL's answers do not end an outage of Redis."""
    says(outages, AWAY)
    says(outages, GONE)
    outages.answered(Server.POSTGRESQL)
    clock.now += 3
    outages.answered(Server.POSTGRESQL)

    assert [line["event"] for line in logged] == [
        "redis is not available",
        "postgresql is not available",
        "postgresql is available again",
    ]


@pytest.mark.parametrize("kind", [MailServerUnavailable, MailServerMisconfigured])
def test_an_smtp_server_that_cannot_be_used_is_an_outage(
    outages: Outages, logged: list[Any], kind: type[MailServerUnavailable]
) -> None:
    """Also where only its login is wrong: no mail goes out, and it is asked again every few seconds."""
    says(outages, kind("the SMTP server refused the login"), "no mail can be sent")
    says(outages, kind("the SMTP server refused the login"), "no mail can be sent")

    assert [line["event"] for line in logged] == ["the SMTP server is not available"]


@pytest.mark.parametrize(
    "error",
    [
        RedisRefused("Redis refused: OOM"),
        DatabaseRefused("a value"),
        DatabaseMisconfigured("permission denied"),
        DatabaseBusy("deadlock detected"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_other_error_is_logged_each_time(outages: Outages, logged: list[Any], error: PublisherError) -> None:
    """Also while a server is away: what a server answers is never swallowed."""
    says(outages, GONE)
    says(outages, AWAY)

    assert [says(outages, error) for _ in range(3)] == [True] * 3
    assert len(logged) == 2


def test_a_command_of_an_operator_tells_every_error(clock: Clock, logged: list[Any]) -> None:
    """Nothing is counted until a process says that it runs until it is told to stop."""
    outages = Outages(clock=clock)

    assert [says(outages, AWAY) for _ in range(3)] == [True] * 3
    assert not logged


def test_a_cause_counts() -> None:
    """A library's error whose cause is an outage is that outage; an error that merely follows one is not."""
    caused = RuntimeError("a library's")
    caused.__cause__ = AWAY

    assert server_of(caused) is Server.REDIS
    assert server_of(RuntimeError("another")) is None
    assert server_of(None) is None


def record(name: str, message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    """A line of a library."""
    info = (type(error), error, None) if error else None
    return logging.LogRecord(name, logging.ERROR, "file", 1, message, arguments, info)


def test_a_librarys_traceback_of_an_outage_is_counted(outages: Outages, logged: list[Any]) -> None:
    """Dramatiq logs every message that failed with a traceback, and consumers their error as an argument."""
    failed = record("dramatiq.worker.WorkerThread", "Failed to process message %s", "scan()", error=GONE)
    broken = record("dramatiq.worker.ConsumerThread(email)", "Consumer encountered a connection error: %s", GONE)

    assert outages.is_repetition(failed)
    assert outages.is_repetition(broken)
    assert [line["event"] for line in logged] == ["postgresql is not available"]


def test_a_librarys_other_lines_are_kept(outages: Outages) -> None:
    """A bug is logged with its traceback, also while a server is away."""
    says(outages, AWAY)

    assert not outages.is_repetition(record("dramatiq.worker.WorkerThread", "Failed", error=ZeroDivisionError()))
    assert not outages.is_repetition(record("dramatiq.worker.ConsumerThread(email)", "Invalid eta value"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dramatiq.worker.ConsumerThread(email.DQ)", "Restarting consumer in %0.2f seconds."),
        ("dramatiq.middleware.retries.Retries", "Retrying message %r in %d milliseconds."),
        ("apscheduler.scheduler", 'Execution of job "%s" skipped: maximum number of running instances reached (%d)'),
    ],
)
def test_a_line_that_follows_a_failure_is_left_out_while_the_server_is_away(
    outages: Outages, name: str, message: str
) -> None:
    """It says nothing that the line about the outage does not say; at any other time it is written."""
    line = record(name, message)
    before = outages.is_repetition(line)
    says(outages, AWAY)

    assert (before, outages.is_repetition(line)) == (False, True)


def test_the_trouble_of_a_server_is_its_last_error_since_the_first(outages: Outages, clock: Clock) -> None:
    """For as long as it is asked and does not answer: a server that nobody asks may be back."""
    first, last = MailServerUnavailable("connection refused"), MailServerUnavailable("timeout")
    assert outages.trouble(Server.SMTP) is None
    says(outages, first)
    began = outages.trouble(Server.SMTP)
    clock.now += 59
    says(outages, last)
    clock.now += 60
    lasting = outages.trouble(Server.SMTP)
    assert began is not None
    assert lasting is not None
    assert (began.error, lasting.error, lasting.since) == ("connection refused", "timeout", began.since)
    assert outages.trouble(Server.REDIS) is None

    clock.now += 1
    assert outages.trouble(Server.SMTP) is None
    says(outages, last)
    outages.answered(Server.SMTP)
    assert outages.trouble(Server.SMTP) is None
