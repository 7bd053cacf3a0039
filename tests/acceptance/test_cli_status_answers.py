"""`status`, `doctor` and `routes list` tell what is answered, what is not, and who takes answers in (R32)."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from publisher.streams.heartbeats import ProcessRegister
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside
from tests.integration.answered_routes import answer, published_routes
from tests.integration.process.test_heartbeats import WORKER

DAY = timedelta(days=1)
EVENTS = "notification:delivery_events"


@pytest.fixture
def answered(database: Database, outside: Outside) -> Outside:
    """Email: two events in the last hour, one older, one route unanswered for four days. Push: one event."""
    ids = published_routes(database, 2, ago=4 * DAY)
    answer(database, ids[0], "accepted", ago=5 * DAY)
    answer(database, ids[0], "delivered")
    answer(database, ids[0], "complained")
    answer(database, published_routes(database, 1, "push")[0], "delivered", source="gateway")
    return outside


def test_status_counts_the_answers_of_the_last_hour(answered: Outside, publisher: Publisher) -> None:
    """A row for each channel that has any, a column for each kind that came; the verdict says what is missing."""
    shown = publisher("status").stdout

    lines = [line.split() for line in shown.splitlines()]
    at = lines.index(["Answers", "of", "the", "last", "hour"])
    assert lines[at + 1] == ["channel", "delivered", "complained", "unanswered,", "oldest"]
    assert lines[at + 3][:5] == ["email", "1", "1", "1,", "4d"]
    assert lines[at + 4] == ["push", "1", "0", "–"]
    assert "1 command unanswered on email, the oldest for 4d" in shown
    assert ": the last answer came " in shown
    assert "→ publisher routes list --unanswered --channel email" in shown


def test_programs_get_the_same(answered: Outside, publisher: Publisher) -> None:
    """By channel; null where no answer is expected; and the stream of delivery events beside that of intents."""
    answered.redis.xadd(EVENTS, {"a": "b"})

    found = json.loads(publisher("status", "--json").stdout)

    email, push = found["channels"]["email"], found["channels"]["push"]
    assert email["answers_last_hour"] == {"delivered": 1, "complained": 1, "at_least": False}
    assert (email["unanswered"]["count"], email["unanswered"]["at_least"]) == (1, False)
    assert round(email["unanswered"]["oldest_seconds"] / 86400) == 4
    assert (push["answers_last_hour"], push["unanswered"]) == ({"delivered": 1, "at_least": False}, None)
    assert found["delivery_events"]["lag"] == 1
    assert "unanswered" in [finding["code"] for finding in found["verdict"]["findings"]]


def test_where_nothing_was_ever_answered_nothing_is_shown(database: Database, publisher: Publisher) -> None:
    """A deployment whose mail service does not answer reads the same status as before."""
    published_routes(database, 1, ago=9 * DAY)

    shown = publisher("status").stdout

    assert "Answers" not in shown
    assert "unanswered" not in shown


def test_doctor_warns_of_missing_answers(answered: Outside, publisher: Publisher) -> None:
    """Which channel, how many, since when, and what to do."""
    checks = {c["name"]: c for c in map(json.loads, publisher("doctor", "--json").stdout.splitlines())}

    assert checks["answers"]["verdict"] == "warning"
    assert "email: 1 route without an answer, the first published 4 d " in checks["answers"]["finding"]


def test_the_unanswered_are_listed(answered: Outside, publisher: Publisher) -> None:
    """Exactly those that are counted; a channel that expects none has none, which is said."""
    [route] = publisher("routes", "list", "--unanswered", "--json").stdout.splitlines()
    assert json.loads(route)["route_id"] == "email:user:1"

    none = publisher("routes", "list", "--unanswered", "--type", "game.turn.ready", PUBLISHER_EMAIL_ANSWER_WITHIN="9e6")
    assert "there is no route of type game.turn.ready, unanswered for longer than its channel expects" in none.stdout
    refused = publisher("routes", "list", "--unanswered", "--channel", "push")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "no answer is expected on push: see PUBLISHER_PUSH_ANSWER_WITHIN" in refused.stderr


def test_a_mailer_is_among_the_processes(redis_client: redis.Redis, publisher: Publisher) -> None:
    """It is counted where one runs, and not missed where another mail service does its work."""
    assert "mailer" not in publisher("status").stdout
    ProcessRegister(redis_client).sign(replace(WORKER, role="mailer"))

    assert "no intake, 1 mailer" in publisher("status").stdout
