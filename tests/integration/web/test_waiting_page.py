"""What waits for an operator, and the published routes that nobody has answered (R3, R32, R34)."""

import html
import re
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from storage.actions import ActionOutcome, find_action
from storage.database import Database
from tests.acceptance.final_routes import BURY
from tests.integration.answered_routes import answer, published_routes
from tests.integration.rows import count, due_routes, execute
from tests.integration.web.conftest import Serve
from tests.waiting import wait_until

PATH = "/waiting/unanswered"
DAY = timedelta(days=1)


@pytest.fixture
def late(database: Database) -> None:
    """Twelve email routes that nobody has answered for ten days, one that is not late yet, and one that bounced."""
    [first] = published_routes(database, 1, ago=11 * DAY)
    answer(database, first, "bounced", fault="infrastructure", ago=11 * DAY)
    published_routes(database, 12, ago=10 * DAY)
    published_routes(database, 1, ago=DAY / 24)


def shown(text: str) -> tuple[str, int]:
    """The count, and how many routes are listed."""
    found = re.search(r"<h2>([\d,]+) match", text)
    return found[1] if found else "", len(re.findall(r'href="/find\?id=', text))


def form_of(text: str) -> dict[str, str]:
    """What a browser sends with the form that publishes again."""
    form = text.split(f'action="{PATH}/republish"')[1].split("</form>")[0]
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', each)) for each in re.findall(r"<input [^>]*>", form)]
    return {each["name"]: html.unescape(each.get("value", "")) for each in inputs}


def test_what_waits_is_counted_and_leads_to_where_it_is_dealt_with(serve: Serve, database: Database) -> None:
    """Each kind with its number, its newest and its command; a channel without a route that waits says 0."""
    due_routes(database, 3)
    execute(database, BURY)

    text = re.sub(r"\s+", " ", serve().get("/waiting").text)

    assert re.search(r'<a href="/waiting/dead-letters">Dead letters</a></th> <td class="number wrong">3</td>', text)
    assert re.search(r'<a href="/waiting/malformed">Malformed intents</a></th> <td class="number">0</td>', text)
    for place in ("/waiting/unanswered?channel=email", "/waiting/holds"):
        assert f'href="{place}"' in text
    for command in ("publisher mailer held list", "publisher intents losses list"):
        assert command in text


def test_the_unanswered_are_those_that_are_late_and_are_published_again(
    page: TestClient, database: Database, late: None, woken: list[str]
) -> None:
    """The page begins with them: the count, ten of them, and a button that publishes just those again (R3)."""
    text = html.unescape(page.get(PATH).text)
    assert shown(text) == ("12", 10)
    assert "publisher routes republish --channel email --answer none --since " in text

    answered = page.post(f"{PATH}/republish", data=form_of(text) | {"rate": "400"})

    assert answered.headers["location"] == "/actions/1"
    wait_until(lambda: find_action(database, 1).outcome is ActionOutcome.DONE)
    assert (find_action(database, 1).done, count(database, "routes WHERE status = 'pending'")) == (12, 12)
    wait_until(lambda: woken == ["email"])


def test_routes_are_chosen_by_another_answer(page: TestClient, late: None) -> None:
    """Of answers other than success all are shown; of the others those since a time that is given."""
    assert shown(page.get(PATH, params={"answer": "bounced", "fault": "infrastructure"}).text) == ("1", 1)
    assert shown(page.get(PATH, params={"answer": "none", "since": "1d"}).text) == ("1", 1)
    unbounded = page.get(PATH, params={"answer": "delivered"})
    assert (unbounded.status_code, "say since when" in unbounded.text) == (400, True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"answer": "complained"}, "is not sent the same again"),
        ({"answer": "<script>"}, "is no answer"),
        ({"answer": "none", "fault": "content"}, "nothing is at fault where the answer is none"),
        ({"channel": "emial"}, "did you mean email?"),
        ({"type": "game.nothing"}, "there is no notification type"),
    ],
)
def test_a_filter_that_cannot_be_is_told_so(page: TestClient, late: None, fields: dict[str, str], said: str) -> None:
    """The page says what is wrong with it, and shows no route."""
    answered = page.get(PATH, params={"since": "1h", "answer": "bounced"} | fields)
    assert (answered.status_code, shown(answered.text)) == (400, ("", 0))
    assert said in html.unescape(answered.text)
    assert "<script>alert" not in answered.text


def test_routes_that_are_too_old_for_the_list_are_counted_and_the_page_says_so(
    page: TestClient, database: Database, late: None
) -> None:
    """The list looks through the 10,000 that were published last, whatever their type."""
    execute(
        database,
        "INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, created_at,"
        " updated_at, published_at, notification_type) SELECT -n, 'email:user:1', 'email', 'published', 1, 'user:1',"
        " now(), now(), now() - interval '2 hours', 'another.type' FROM generate_series(1, 10000) AS n",
    )
    [(type_,)] = database.rows("SELECT DISTINCT notification_type FROM notifications")

    text = page.get(PATH, params={"answer": "none", "type": type_, "since": "11d"}).text

    assert shown(text) == ("13", 1)
    assert "older than the 10,000 routes that this list looks through" in text


def test_where_nobody_has_ever_answered_nothing_is_missed(page: TestClient, database: Database) -> None:
    """A channel whose consumer does not answer has no unanswered routes, and the page says why."""
    published_routes(database, 2, ago=10 * DAY)
    text = page.get(PATH).text
    assert "nobody has ever answered on email" in text
    assert shown(text) == ("", 0)
    assert "no answer is expected on push" in page.get(PATH, params={"channel": "push"}).text


def test_more_than_the_page_showed_is_not_published_again(page: TestClient, database: Database, late: None) -> None:
    """An answer that came meanwhile makes more routes match: the page asks again."""
    form = form_of(page.get(PATH, params={"answer": "bounced"}).text)
    execute(database, "UPDATE routes SET answer = 'bounced', answered_at = now()")

    refused = page.post(f"{PATH}/republish", data=form)

    assert (refused.status_code, "14 match by now, and the page showed 1" in refused.text) == (400, True)
    assert count(database, "operator_actions") == 0


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/waiting", 200, "PostgreSQL could not be read"),
        ("/waiting/dead-letters", 200, "Their number could not be read"),
        (PATH, 200, "Their number could not be read"),
        ("/actions", 200, "The actions could not be read"),
        ("/actions/1", 503, "PostgreSQL is not available"),
    ],
)
def test_without_postgresql_each_page_says_what_it_could_not_read(
    serve: Serve, path: str, status: int, said: str
) -> None:
    """The page stands: its filters, and the command line for the same (R35)."""
    answered = serve({"DATABASE_URL": "postgresql://127.0.0.1:1/none"}).get(path)
    assert (answered.status_code, said in re.sub("<[^>]+>", "", answered.text)) == (status, True)
