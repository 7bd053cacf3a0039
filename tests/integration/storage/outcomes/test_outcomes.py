"""Recording how attempts ended: the columns of each outcome, as the transition table has them (R3, R5a)."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from publisher.domain.attempt import DeadLettered, Failure, Published, Rescheduled
from publisher.domain.notification import Route
from storage.claiming.claims import Claim, claim_due
from storage.database import Database
from storage.outcomes.outcomes import complete
from tests.factories import INSTANT
from tests.integration.rows import all_routes, change, due_routes, one_route, rows

FAILURE = Failure.of("mail_stream_publish_failed", "Redis refused: WRONGTYPE")
SECOND = timedelta(seconds=1)


def claim(database: Database, limit: int = 10) -> Claim:
    return claim_due(database, "email", limit=limit, lease_ttl=timedelta(seconds=30))


def routes_of(claimed: Claim) -> Sequence[Route]:
    return [c.route for c in claimed.routes]


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_a_published_route_keeps_where_and_when(database: Database, status: str) -> None:
    """A published route is done: lease cleared, nothing scheduled, with its entry on the stream (R3)."""
    [id_] = due_routes(database, 1)
    change(database, [id_], f"status = '{status}', attempt_count = 2, lease_loss_count = 1")
    claimed = claim(database)
    before = one_route(database, id_)

    recorded = complete(database, claimed.token, [Published(claimed.routes[0].route, "1773480413589-0")])

    after = one_route(database, id_)
    assert recorded.keys() == {id_}
    assert after == before | {
        "status": "published",
        "published_at": after["updated_at"],
        "stream_entry_id": "1773480413589-0",
        "next_attempt_at": None,
        "lease_token": None,
        "lease_expires_at": None,
        "lease_loss_count": 0,
        "updated_at": after["updated_at"],
    }
    assert after["updated_at"] > before["updated_at"]


def test_published_routes_of_one_statement_are_each_guarded_by_what_was_read(database: Database) -> None:
    """In any order, each route gets its own entry if its own status and attempt count are as they were read (R8)."""
    ids = due_routes(database, 5)
    change(database, ids[1:3], "status = 'failed', attempt_count = 2")
    claimed = claim(database)
    change(database, ids[2:3], "attempt_count = 3")
    change(database, ids[3:4], "status = 'failed'")
    given = [Published(route, f"{route.id}-0") for route in reversed(routes_of(claimed))]

    recorded = complete(database, claimed.token, [given[2], given[0], given[4], given[1], given[3]])

    kept = [ids[0], ids[1], ids[4]]
    assert sorted(recorded) == kept
    entries = {id_: one_route(database, id_)["stream_entry_id"] for id_ in ids}
    assert entries == {id_: f"{id_}-0" if id_ in kept else None for id_ in ids}


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_a_failed_route_is_due_again_after_its_delay(database: Database, status: str) -> None:
    """A failed route counts the attempt, says why, and is due one delay after its failure (R3, R9)."""
    [id_] = due_routes(database, 1)
    change(database, [id_], f"status = '{status}', attempt_count = 2, lease_loss_count = 1")
    claimed = claim(database)
    before = one_route(database, id_)
    delay = timedelta(seconds=4, milliseconds=5)

    recorded = complete(database, claimed.token, [Rescheduled(claimed.routes[0].route, FAILURE, 3, delay)])

    after = one_route(database, id_)
    assert recorded == {id_: after["next_attempt_at"]}
    assert after == before | {
        "status": "failed",
        "attempt_count": 3,
        "next_attempt_at": after["last_failure_at"] + delay,
        "last_failure_classification": "mail_stream_publish_failed",
        "last_failure_message": "Redis refused: WRONGTYPE",
        "last_failure_at": after["updated_at"],
        "lease_token": None,
        "lease_expires_at": None,
        "lease_loss_count": 0,
        "updated_at": after["updated_at"],
    }


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_a_dead_letter_has_its_row(database: Database, status: str) -> None:
    """A route that is given up gets its row in dead_letters with the same reason, instant and count (R3)."""
    [id_] = due_routes(database, 1)
    change(database, [id_], f"status = '{status}', attempt_count = 15, lease_loss_count = 1")
    claimed = claim(database)
    before = one_route(database, id_)

    recorded = complete(database, claimed.token, [DeadLettered(claimed.routes[0].route, FAILURE, 16)])

    after = one_route(database, id_)
    [letter] = rows(database, "SELECT * FROM dead_letters")
    assert recorded.keys() == {id_}
    assert after == before | {
        "status": "dead_letter",
        "attempt_count": 16,
        "next_attempt_at": None,
        "dead_letter_id": letter["id"],
        "dead_lettered_at": after["updated_at"],
        "last_failure_classification": "mail_stream_publish_failed",
        "last_failure_message": "Redis refused: WRONGTYPE",
        "last_failure_at": after["updated_at"],
        "lease_token": None,
        "lease_expires_at": None,
        "lease_loss_count": 0,
        "updated_at": after["updated_at"],
    }
    assert letter == {
        "id": letter["id"],
        "notification_id": after["notification_id"],
        "route_id": "email:user:0",
        "channel": "email",
        "notification_type": "game.turn.ready",
        "classification": "mail_stream_publish_failed",
        "message": "Redis refused: WRONGTYPE",
        "attempt_count": 16,
        "max_attempts": 16,
        "dead_lettered_at": after["dead_lettered_at"],
        "requeued_at": None,
        "requeued_by": None,
        "discarded_at": None,
        "discarded_by": None,
    }


def test_a_route_that_lost_its_leases_counts_no_attempt(database: Database) -> None:
    """A route given up for its lost leases keeps the attempts it made: none was made now (R5a)."""
    [id_] = due_routes(database, 1)
    claimed = claim(database)

    complete(database, claimed.token, [DeadLettered(claimed.routes[0].route, FAILURE, 0)])

    assert (one_route(database, id_)["status"], one_route(database, id_)["attempt_count"]) == ("dead_letter", 0)
    assert rows(database, "SELECT attempt_count FROM dead_letters") == [{"attempt_count": 0}]


def test_each_route_of_a_batch_gets_its_own_outcome(database: Database) -> None:
    """In one batch every route gets its own entry, delay and reason, whatever their order (R11)."""
    due_routes(database, 6)
    claimed = claim(database)
    a, b, c, d, e, f = routes_of(claimed)

    complete(database, claimed.token, [Published(b, "2-0"), Published(a, "1-0")])
    complete(
        database,
        claimed.token,
        [Rescheduled(d, Failure.of("x", "four"), 1, 40 * SECOND), Rescheduled(c, Failure.of("y", "three"), 1, SECOND)],
    )
    complete(
        database,
        claimed.token,
        [DeadLettered(f, Failure.of("x", "six"), 6), DeadLettered(e, Failure.of("y", "five"), 5)],
    )

    after = all_routes(database)
    assert [row["stream_entry_id"] for row in after] == ["1-0", "2-0", None, None, None, None]
    assert [row["last_failure_message"] for row in after] == [None, None, "three", "four", "five", "six"]
    assert [after[n]["next_attempt_at"] - after[n]["last_failure_at"] for n in (2, 3)] == [SECOND, 40 * SECOND]
    letters = rows(database, "SELECT * FROM dead_letters ORDER BY route_id")
    assert [(r["route_id"], r["message"], r["attempt_count"]) for r in letters] == [
        ("email:user:4", "five", 5),
        ("email:user:5", "six", 6),
    ]
    assert [row["dead_letter_id"] for row in after[4:]] == [letter["id"] for letter in letters]


def test_an_empty_batch_records_nothing(database: Database) -> None:
    """With nothing to record nothing is recorded, and nothing raised."""
    [id_] = due_routes(database, 1)
    claimed = claim(database)
    before = one_route(database, id_)

    assert complete(database, claimed.token, []) == {}
    assert complete(database, claimed.token, []) == {}
    assert complete(database, claimed.token, []) == {}

    assert one_route(database, id_) == before


def test_a_thousand_routes_are_recorded_in_one_statement(database: Database) -> None:
    """The largest batch is recorded whole, at one instant."""
    ids = set(due_routes(database, 1000))
    claimed = claim(database, limit=1000)

    recorded = complete(database, claimed.token, [Published(r, f"{r.id}-0") for r in routes_of(claimed)])

    after = all_routes(database)
    assert recorded.keys() == ids
    assert {row["status"] for row in after} == {"published"}
    assert [row["stream_entry_id"] for row in after] == [f"{row['id']}-0" for row in after]
    assert len({row["published_at"] for row in after}) == 1


def test_every_instant_of_an_outcome_is_the_database_s_in_milliseconds(database: Database) -> None:
    """The next attempt counts from the failure on the database's clock, in whole milliseconds (R2, R5)."""
    due_routes(database, 1)
    claimed = claim(database)
    [before] = rows(database, "SELECT date_trunc('milliseconds', clock_timestamp()) AS now")

    [due_again] = complete(database, claimed.token, [Rescheduled(routes_of(claimed)[0], FAILURE, 1, SECOND)]).values()

    [after] = rows(database, "SELECT clock_timestamp() AS now")
    assert before["now"] + SECOND <= due_again <= after["now"] + SECOND
    assert due_again.microsecond % 1000 == 0
    assert due_again.utcoffset() == INSTANT.utcoffset()


@pytest.mark.parametrize(
    "message",
    ["", "x" * 2000, "quoted \" ' \\ {} %s %(token)s", "é 🎲 \u2028", "a\nb\tc\x01"],
)
def test_any_failure_message_is_kept(database: Database, message: str) -> None:
    """Whatever characters a reason holds, it is kept as it was given (R7)."""
    [id_] = due_routes(database, 1)
    claimed = claim(database)

    complete(database, claimed.token, [Rescheduled(routes_of(claimed)[0], Failure("x", message), 1, SECOND)])

    assert one_route(database, id_)["last_failure_message"] == message
