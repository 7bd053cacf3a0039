"""What became of commands: `trace`, `explain`, `routes list` and `show` tell what was answered (R32)."""

import json

import pytest

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside
from tests.integration.answered_routes import answer, mail, published_routes
from tests.integration.rows import execute, one_route


@pytest.fixture
def delivery(database: Database) -> str:
    """The delivery id of an email route that was deferred by its mail service, and then bounced."""
    [id_] = published_routes(database, 1)
    answer(database, id_, "bounced", fault="recipient", diagnostic="no such user: a***@example.com")
    answer(database, id_, "deferred", fault="infrastructure")
    execute(database, "UPDATE delivery_events SET occurred_at = '2026-03-14 09:26:53.589Z' WHERE event = 'deferred'")
    execute(
        database,
        "UPDATE routes SET answer = 'bounced', answered_at = occurred_at, complained = true"
        " FROM delivery_events AS e WHERE event = 'bounced' AND routes.id = %s",
        id_,
    )
    mail(database, id_, "waiting", tries=2, unsure=1)
    row = one_route(database, id_)
    return f"{row['notification_id']}/{row['route_id']}"


def test_a_trace_ends_with_what_was_answered(delivery: str, publisher: Publisher) -> None:
    """Under the command the events, in the order in which they happened, and what the mail service does next."""
    lines = [line[8:] for line in publisher("trace", delivery).stdout.splitlines()]

    at = next(n for n, line in enumerate(lines) if "mailer: deferred" in line)
    assert lines[at].startswith("├── 2026-03-14 09:26:53.589Z mailer: deferred (permanent, infrastructure at fault,")
    assert "mailer: bounced (permanent, recipient at fault, 550 5.1.1): no such user: a***@example" in lines[at + 1]
    assert "It tries again in" in lines[at + 2]
    assert "Whether it was accepted remained unknown 1 time" in lines[at + 3]
    assert "published: " in "".join(lines[:at])


@pytest.mark.parametrize("command", ["trace", "explain"])
def test_programs_get_every_field_of_an_event(delivery: str, publisher: Publisher, command: str) -> None:
    """The answer, its events and the mail service's own record stand in the JSON of the route."""
    found = json.loads(publisher(command, delivery, "--json").stdout)
    [route] = found["routes"] if command == "trace" else [found]

    assert (route["answer"], route["complained"]) == ("bounced", True)
    deferred, bounced = route["delivery_events"]
    assert deferred["occurred_at"] == "2026-03-14T09:26:53.589Z"
    assert {name: bounced[name] for name in ("event", "source", "permanence", "fault", "code", "enhanced_code")} == {
        "event": "bounced",
        "source": "mailer",
        "permanence": "permanent",
        "fault": "recipient",
        "code": "550",
        "enhanced_code": "5.1.1",
    }
    assert (route["mail"]["state"], route["mail"]["tries"], route["mail"]["unsure"]) == ("waiting", 2, 1)


def test_explain_says_who_acts_next(delivery: str, publisher: Publisher) -> None:
    """The answer stands under why, the mail service's next try under next, the events under answer."""
    shown = publisher("explain", delivery).stdout

    assert "\n          Answered " in shown
    assert "\n  next    In the hands of the mail service since " in shown
    assert "\n  answer  2026-03-14 09:26:53.589Z mailer: deferred" in shown


def test_routes_are_listed_by_answer_and_fault(
    database: Database, delivery: str, outside: Outside, publisher: Publisher
) -> None:
    """Both narrow the list; the table and the JSON show the answer; what is not there is named."""
    answer(database, published_routes(database, 1, "push")[0], "delivered", source="gateway")

    def listed(*arguments: str) -> list[str]:
        done = publisher("routes", "list", "--json", *arguments)
        return [json.loads(line)["delivery_id"] for line in done.stdout.splitlines()]

    assert listed("--answer", "bounced") == [delivery] == listed("--answer", "complained")
    assert listed("--answer", "bounced", "--fault", "recipient") == [delivery]
    assert listed("--answer", "bounced", "--fault", "infrastructure") == []
    assert len(listed("--answer", "delivered")) == 1
    table = publisher("routes", "list", "--answer", "bounced").stdout.splitlines()
    assert "answer" in table[1]
    assert "game.turn.ready  bounced, complained  20" in table[-1]
    assert "there is no route with answer failed" in publisher("routes", "list", "--answer", "failed").stdout
    refused = publisher("routes", "list", "--answer", "none", "--fault", "content")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "nothing is at fault where the answer is none" in refused.stderr


def test_a_route_shows_its_answer(delivery: str, publisher: Publisher) -> None:
    """`routes show` has the answer, its instant and whether it was complained of."""
    shown = {line.split()[0]: line.split()[-1] for line in publisher("routes", "show", delivery).stdout.splitlines()}

    assert shown["answer"] == "bounced"
    assert shown["complained"] in ("yes", "true", "True")
    assert shown["answered_at"].endswith("Z")
