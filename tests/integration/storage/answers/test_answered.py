"""Routes selected by their answers (R32)."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from publisher.domain.answer import AnswerIs
from publisher.domain.delivery_event import Fault
from publisher.domain.errors import BadRequest
from storage.answers.answered import AnswerFilter
from storage.database import Database
from storage.routes import RouteFilter, list_routes
from tests.integration.answered_routes import answer, published_routes
from tests.integration.rows import due_routes, execute
from tests.integration.storage.ids.test_named import Watched


@dataclass
class Answered:
    """Keys of routes, by the way they were answered."""

    none: int
    delivered: int
    bounced: int
    refused: int
    complained: int


@pytest.fixture
def answered(database: Database) -> Answered:
    """Five published email routes, one of each kind, and a pending one.

    `refused` bounced twice: the later answer, which counts, has another fault.
    """
    due_routes(database, 1)
    routes = Answered(*published_routes(database, 5))
    answer(database, routes.delivered, "accepted", source="ses")
    answer(database, routes.delivered, "delivered", source="ses")
    answer(database, routes.bounced, "deferred", fault="infrastructure")
    answer(database, routes.bounced, "bounced", fault="recipient")
    answer(database, routes.refused, "bounced", fault="recipient", ago=timedelta(minutes=1))
    answer(database, routes.refused, "bounced", fault="infrastructure")
    answer(database, routes.complained, "delivered")
    answer(database, routes.complained, "complained", fault="content")
    return routes


@pytest.mark.parametrize(
    ("said", "fault", "names"),
    [
        (AnswerIs.NONE, None, ["none"]),
        (AnswerIs.DELIVERED, None, ["delivered", "complained"]),
        (AnswerIs.BOUNCED, None, ["bounced", "refused"]),
        (AnswerIs.COMPLAINED, None, ["complained"]),
        (AnswerIs.DEFERRED, None, []),
        (AnswerIs.BOUNCED, Fault.INFRASTRUCTURE, ["refused"]),
        (AnswerIs.COMPLAINED, Fault.CONTENT, ["complained"]),
        (None, Fault.RECIPIENT, ["bounced"]),
        (None, Fault.CONTENT, []),
    ],
)
def test_routes_are_listed_by_their_answer(
    database: Database, answered: Answered, said: AnswerIs | None, fault: Fault | None, names: list[str]
) -> None:
    """Of several events the one that is the answer counts, and its fault; a pending route is not unanswered."""
    matching = RouteFilter(answer=AnswerFilter(said, fault))

    found = list_routes(database, matching, before=None, limit=10)

    assert [r.id for r in reversed(found)] == [getattr(answered, name) for name in names]


@pytest.mark.parametrize("said", [AnswerIs.NONE, AnswerIs.ACCEPTED, AnswerIs.DELIVERED])
def test_a_fault_of_an_answer_that_has_none_is_refused(said: AnswerIs) -> None:
    """Such a list would be empty whatever happened: the contradiction is named."""
    with pytest.raises(BadRequest, match=f"nothing is at fault where the answer is {said}"):
        AnswerFilter(said, Fault.RECIPIENT)


@pytest.mark.parametrize(
    ("matching", "index"),
    [
        (AnswerFilter(AnswerIs.NONE), "routes_unanswered"),
        (AnswerFilter(AnswerIs.BOUNCED), "routes_answered_ill"),
        (AnswerFilter(AnswerIs.COMPLAINED), "routes_complained"),
        (AnswerFilter(AnswerIs.BOUNCED, Fault.RECIPIENT), "routes_answered_ill"),
        (AnswerFilter(None, Fault.RECIPIENT), "routes_answered_ill"),
    ],
)
@pytest.mark.parametrize("channel", ["email", None])
def test_few_among_many_are_found_by_an_index(
    database: Database, database_url: str, answered: Answered, matching: AnswerFilter, index: str, channel: str | None
) -> None:
    """Among thousands of delivered routes the few others are found without reading those."""
    execute(
        database,
        "INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, created_at,"
        " updated_at, published_at, answer, answered_at)"
        " SELECT -n, 'email:user:1', 'email', 'published', 1, 'user:1', now(), now(), now(), 'delivered', now()"
        " FROM generate_series(1, 5000) AS n",
    )
    execute(database, "ANALYZE routes")
    watched = Watched(database_url, application_name="test")

    list_routes(watched, RouteFilter(channel, answer=matching), before=None, limit=50)
    plan = watched.plans()

    assert index in plan
    assert "Seq Scan on routes" not in plan
    assert "Seq Scan on delivery_events" not in plan or matching.fault is None
