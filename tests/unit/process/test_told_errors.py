"""What Dramatiq logs of a message whose routes were logged already: nothing."""

import json
from typing import Any

import dramatiq
import dramatiq.worker
import pytest
from dramatiq.brokers.stub import StubBroker

from actors.routes import RouteDeadLettered
from publisher.process import logs

pytestmark = pytest.mark.usefixtures("logging_as_it_was")


def logged(error: Exception, capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines of a worker whose actor raises this at first, and succeeds if it is tried again."""
    logs.configure(format="json")
    errors, broker = [error], StubBroker()

    @dramatiq.actor(broker=broker, throws=(RouteDeadLettered, KeyError), min_backoff=1, max_backoff=1)
    def work() -> None:
        if errors:
            raise errors.pop()

    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=10)
    worker.start()
    try:
        work.send()
        broker.join(work.queue_name, fail_fast=False)
        worker.join()
    finally:
        worker.stop()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    return [line for line in lines if "message" in line["event"]]


@pytest.mark.parametrize("error", [RouteDeadLettered("1 routes: [7]"), dramatiq.Retry(delay=1)], ids=repr)
def test_a_message_whose_routes_were_logged_has_no_line(error: Exception, capfd: pytest.CaptureFixture[str]) -> None:
    """A bad address is said once, by the line about its route (R26)."""
    assert logged(error, capfd) == []


def test_any_other_error_has_every_line_of_dramatiq(capfd: pytest.CaptureFixture[str]) -> None:
    """With its traceback, and whether the message is tried again."""
    [failed, retrying] = logged(ZeroDivisionError("a bug"), capfd)

    assert (failed["level"], "ZeroDivisionError: a bug" in failed["exception"]) == ("error", True)
    assert retrying["event"].startswith("Retrying message")


def test_an_expected_error_of_another_actor_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    """Only of this service's own errors it is known that they were told."""
    [expected, aborting] = logged(KeyError("x"), capfd)

    assert expected["event"].endswith("with expected exception KeyError.")
    assert aborting["event"].startswith("Aborting message")
