"""The audit on the page: the actions, the progress of one, stopping it, and resuming what somebody else began (R34)."""

import html
import re

import pytest
from starlette.testclient import TestClient

from publisher.operations.changes.cancel import CancelFilter, plan_cancel
from publisher.operations.changes.discard import DeadLetterFilter, plan_discard
from publisher.settings.settings import Settings
from storage.actions import ActionOutcome, advance_action, begin_action, end_action, find_action
from storage.database import Database
from tests.acceptance.final_routes import BURY
from tests.acceptance.outside import users
from tests.factories import accepted
from tests.integration.rows import count, due_routes, execute
from tests.waiting import wait_until


@pytest.fixture
def buried(database: Database) -> None:
    """Six dead email routes and six dead push routes."""
    accepted(database, [{"recipients_json": users(6)}])
    execute(database, BURY)


@pytest.fixture
def killed(database: Database, settings: Settings, buried: None) -> int:
    """A discard of all twelve by ann whose process was killed before it did any."""
    change = plan_discard(database, settings, DeadLetterFilter(), "ann")
    return begin_action(database, change.action, change.by, change.target, change.matched)


def shown_ids(text: str) -> list[int]:
    return [int(id_) for id_ in re.findall(r'href="/actions/(\d+)"', text)]


def test_the_list_is_filtered_and_leads_to_older_ones(page: TestClient, database: Database) -> None:
    """By kind, operator, outcome and time, fifty at once; a name that is misspelled is told so."""
    for n in range(60):
        begin_action(database, "prune", "ann" if n % 2 else "bob", {"n": n}, 1)
    end_action(database, 4, ActionOutcome.FAILED)

    first = page.get("/actions", params={"since": "1h"}).text
    assert shown_ids(first) == list(range(60, 10, -1))
    assert 'name="before" value="11"' in first
    assert shown_ids(page.get("/actions", params={"before": "11", "by": "ann"}).text) == [10, 8, 6, 4, 2]
    assert shown_ids(page.get("/actions", params={"outcome": "failed"}).text) == [4]
    assert "Did you mean prune?" in page.get("/actions", params={"action": "prun"}).text
    assert page.get("/actions", params={"outcome": "<script>"}).status_code == 400


def test_one_action_says_who_when_what_and_how_far(page: TestClient, database: Database) -> None:
    """With its progress, which is renewed as long as it runs, also without JavaScript; a recipient is masked (R36)."""
    action = begin_action(database, "requeue-dead-letters", "ann", {"route_id": "email:address:x@example.com"}, 1200)
    advance_action(database, action, 300)

    text = page.get(f"/actions/{action}").text

    assert '<progress id="progress" max="1200" value="300">300 of 1,200</progress>' in text
    assert ("data-live" in text, '<noscript><meta http-equiv="refresh"' in text) == (True, True)
    assert "x***@example.com" in text
    assert f"publisher dead-letters requeue --resume {action} --yes" in text
    assert page.get("/actions/7000000000000000000000").status_code == 404


def test_a_change_is_stopped_by_its_page_and_resumed_by_another_operator(
    operator: TestClient, page: TestClient, database: Database, buried: None
) -> None:
    """Stop ends it between two batches; whoever resumes it is on record beside the one who began it."""
    begun = operator.post("/waiting/dead-letters/discard", data={"count": "12", "rate": "1"}).headers["location"]
    action = int(begun.rpartition("/")[2])
    running = operator.get(begun).text
    assert (">Stop</button>" in running, ">Resume</button>" in running) == (True, False)

    assert operator.post(f"{begun}/stop").headers["location"] == begun
    wait_until(lambda: find_action(database, action).outcome is ActionOutcome.INTERRUPTED)
    stopped = operator.post(f"{begun}/stop")
    assert (stopped.status_code, "cannot be stopped here" in stopped.text) == (400, True)
    assert page.post(f"{begun}/resume", data={"rate": ""}).headers["location"] == begun

    wait_until(lambda: find_action(database, action).outcome is ActionOutcome.DONE)
    record = find_action(database, action)
    assert (record.by, record.done, record.target["resumed_by"]) == ("bearer token", 12, ["tester"])
    again = page.post(f"{begun}/resume", data={"rate": ""})
    assert (again.status_code, "is done: nothing of it is left" in again.text) == (400, True)


def test_what_a_killed_process_left_is_resumed(page: TestClient, database: Database, killed: int) -> None:
    """Its action still says 'running': the page says what that may mean, and resumes it harmlessly."""
    text = page.get(f"/actions/{killed}").text
    assert "or its process was killed" in text
    assert "nothing is changed twice" in text
    assert page.post(f"/actions/{killed}/resume", data={"rate": "x"}).status_code == 400

    page.post(f"/actions/{killed}/resume", data={"rate": "500"})

    wait_until(lambda: find_action(database, killed).outcome is ActionOutcome.DONE)
    assert find_action(database, killed).done == 12
    assert "resumed_by=tester" in page.get("/actions").text


def test_a_cancellation_that_was_killed_is_resumed_and_its_workers_woken(
    page: TestClient, database: Database, settings: Settings, woken: list[str]
) -> None:
    """Routes without an attempt are cancelled at once; of the others the workers are told, who end them (R28)."""
    due = due_routes(database, 4)
    execute(database, "UPDATE routes SET stream = 'mail', attempt_count = 1 WHERE id = %s", due[0])
    change = plan_cancel(database, settings, CancelFilter(channel="email"), "ann").change
    action = begin_action(database, change.action, change.by, change.target, change.matched)

    page.post(f"/actions/{action}/resume", data={"rate": ""})

    wait_until(lambda: find_action(database, action).outcome is ActionOutcome.DONE)
    assert (count(database, "routes WHERE status = 'cancelled'"), find_action(database, action).done) == (3, 3)
    assert woken == ["email"]


def test_an_action_of_another_kind_is_not_resumed(page: TestClient, database: Database) -> None:
    """A replay is begun anew, and not resumed by its number: the page says so."""
    action = begin_action(database, "replay-intents", "ann", {}, 5)
    assert ">Resume</button>" not in page.get(f"/actions/{action}").text
    answer = page.post(f"/actions/{action}/resume", data={})
    assert (answer.status_code, "do the same again" in html.unescape(answer.text)) == (400, True)
