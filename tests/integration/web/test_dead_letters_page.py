"""The dead letters on the page: which match, and what is done with them (R3, R34)."""

import html
import re

import pytest
from starlette.testclient import TestClient

from storage.actions import ActionOutcome, find_action
from storage.database import Database
from tests.acceptance.final_routes import BURY
from tests.acceptance.outside import users
from tests.factories import accepted
from tests.integration.rows import count, execute
from tests.waiting import wait_until

PATH = "/waiting/dead-letters"


@pytest.fixture(autouse=True)
def buried(database: Database) -> None:
    """Twelve dead email routes and twelve dead push routes."""
    accepted(database, [{"recipients_json": users(12)}])
    execute(database, BURY)


def fields(text: str, action: str) -> dict[str, str]:
    """What a browser sends with this form of a page."""
    form = text.split(f'action="{PATH}/{action}"')[1].split("</form>")[0]
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', each)) for each in re.findall(r"<input [^>]*>", form)]
    return {each["name"]: html.unescape(each.get("value", "")) for each in inputs}


def is_done(database: Database, action: int = 1) -> bool:
    return find_action(database, action).outcome is ActionOutcome.DONE


def test_the_filter_shows_the_exact_count_ten_of_them_and_the_command_line(page: TestClient) -> None:
    """What matches is counted, the newest ten are shown, and each button stands beside the command that it equals."""
    text = html.unescape(page.get(PATH, params={"channel": "email", "until": "2026-03-20"}).text)
    shown = len(re.findall(r'href="/find\?id=', text))
    assert f"<h2>{shown} match</h2>" in text
    whole = html.unescape(page.get(PATH, params={"channel": "email"}).text)
    assert "<h2>12 match</h2>" in whole
    assert len(re.findall(r'href="/find\?id=', whole)) == 10
    assert "publisher dead-letters requeue --channel email --until 2026-03-20T00:00:00.000Z --yes" in text
    assert "publisher dead-letters discard --all --yes" in page.get(PATH).text


def test_those_that_were_shown_are_requeued_and_later_ones_left_alone(
    page: TestClient, database: Database, woken: list[str]
) -> None:
    """The button does what was counted: not what was given up since; its page is the action's (R34)."""
    form = fields(page.get(PATH, params={"channel": "email"}).text, "requeue")
    execute(
        database,
        "INSERT INTO dead_letters (notification_id, route_id, channel, notification_type, classification, message,"
        " attempt_count, max_attempts, dead_lettered_at) SELECT gen_random_uuid(), route_id, channel,"
        " notification_type, classification, message, 1, 1, now() FROM dead_letters WHERE channel = 'email' LIMIT 1",
    )

    answer = page.post(f"{PATH}/requeue", data=form | {"rate": "100"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/actions/1")
    wait_until(lambda: is_done(database))
    record = find_action(database, 1)
    assert (record.action, record.by, record.matched, record.done) == ("requeue-dead-letters", "tester", 12, 12)
    assert count(database, "dead_letters WHERE channel = 'email' AND requeued_at IS NULL") == 1
    wait_until(lambda: woken == ["email"])


def test_a_discard_asks_first_what_it_means(page: TestClient, database: Database) -> None:
    """The question says the number and what a discard is, and the button discards those."""
    text = page.get(PATH, params={"classification": "push_failed"}).text
    assert "Discard 12 dead letters? What is discarded cannot be requeued." in text

    page.post(f"{PATH}/discard", data=fields(text, "discard"))

    wait_until(lambda: is_done(database))
    assert count(database, "dead_letters WHERE discarded_by = 'tester' AND channel = 'push'") == 12


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rate": "fast"}, "a whole number of routes a second"),
        ({"count": "3"}, "12 match by now, and the page showed 3"),
        ({"count": ""}, "must say how many"),
        ({"channel": "emial"}, "did you mean email?"),
        ({"up_to": "0"}, "somebody else has dealt with it"),
        ({"since": "soon"}, "is no instant"),
    ],
)
def test_a_form_that_is_wrong_changes_nothing_and_comes_back(
    page: TestClient, database: Database, wrong: dict[str, str], said: str
) -> None:
    """The page comes again with what is wrong and what was typed; there is no action."""
    form = fields(page.get(PATH, params={"channel": "email"}).text, "requeue") | {"rate": "7"} | wrong

    answer = page.post(f"{PATH}/requeue", data=form)

    assert answer.status_code == 400
    text = html.unescape(answer.text)
    assert said in text
    assert f'value="{form["channel"]}"' in text or f"<option selected>{form['channel']}</option>" in text
    assert count(database, "operator_actions") == 0


def test_a_route_past_its_deadline_is_counted_apart(page: TestClient, database: Database) -> None:
    """It would never be sent: the requeue is for the others, and says so (R3)."""
    execute(database, "UPDATE routes SET expires_at = now() - interval '1 hour' WHERE route_id = 'email:user:3'")
    text = page.get(PATH, params={"channel": "email"}).text
    assert "Requeue 11 dead letters?" in text
    assert "Past their deadline: 1." in text


def test_whoever_may_read_alone_sees_why_the_buttons_do_nothing(reader: TestClient) -> None:
    """The read token shows the dead letters, their masked recipients, and buttons that are off (R36)."""
    text = reader.get(PATH).text
    assert "log in with the operate token" in text
    assert re.search(r"<button disabled[^>]*>Requeue</button>", re.sub(r"\s+", " ", text))
    assert "user3@example.com" not in text


def test_what_is_typed_is_no_markup(page: TestClient) -> None:
    """A script that is typed into each field is shown as text."""
    script = "<script>alert(1)</script>"
    for name in ("channel", "type", "classification", "since", "until"):
        assert script not in page.get(PATH, params={name: script}).text
