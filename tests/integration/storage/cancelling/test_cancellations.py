"""Producers' cancellations in PostgreSQL: recorded once, whichever of the two comes first, answered once (R28)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from publisher.domain.attempt import Cancelled, Published
from publisher.domain.cancellation import Cancellation
from storage.cancelling.cancellations import (
    Answer,
    IncomingCancellation,
    answer_cancellations,
    cancel_intents,
    known_cancellations,
    prune_cancellations,
)
from storage.claiming.claims import claim_due, claim_ending
from storage.claiming.handover import Handover
from storage.database import Database
from storage.dead_letters import DeadLetterFilter, dead_letter_ids, discard
from storage.outcomes.outcomes import complete
from tests.factories import INTENTS, accept, accepted, incoming
from tests.integration.rows import FINAL, all_routes, bury_something, change, count, execute, rows

KEY = "turn-17"
TTL = timedelta(seconds=30)
ANSWERS = (
    "SELECT answered_at IS NOT NULL AS answered, awaits_intent, cancelled, published, otherwise FROM cancellations"
)


def asking(key: str = KEY, entry_id: str = "9-0", producer: str = "game-service") -> IncomingCancellation:
    """A cancellation of the intent with this key."""
    return IncomingCancellation(entry_id, (), Cancellation(producer, key, None, None))


def answers(database: Database) -> list[tuple[Any, ...]]:
    """Every cancellation: whether it is answered, whether it waits for its intent, and the counts."""
    return [tuple(row.values()) for row in rows(database, f"{ANSWERS} ORDER BY requested_at, intent_entry_id")]


def statuses(database: Database) -> list[tuple[str, str | None]]:
    """The status of every route, and who cancelled it."""
    return [(row["status"], row["cancelled_by"]) for row in all_routes(database)]


def taken(database: Database) -> Sequence[int]:
    """The keys of two routes of the intent KEY: one of email, one of push."""
    due = accepted(database, [{"idempotency_key": KEY}]).due
    return [*due["email"], *due["push"]]


def test_an_intent_that_waits_is_cancelled_and_answered_at_once(database: Database) -> None:
    """No attempt was begun: both routes are cancelled, by their producer, and the answer counts them."""
    taken(database)

    done = cancel_intents(database, [asking()])

    assert statuses(database) == [("cancelled", "producer game-service")] * 2
    assert answers(database) == [(True, False, 2, 0, 0)]
    assert ([c.entry_id for c in done.new], list(done.known)) == (["9-0"], [])
    assert done.routes == {("email", "game.turn.ready"): 1, ("push", "game.turn.ready"): 1}


def test_one_that_comes_first_waits_and_cancels_on_arrival(database: Database) -> None:
    """Its intent's routes are inserted as cancelled, due never, told to nobody; a skipped one stays skipped."""
    cancel_intents(database, [asking(), asking("other", "9-1")])
    assert answers(database) == [(False, True, 0, 0, 0)] * 2

    got = accepted(
        database, [{"idempotency_key": KEY, "recipients_json": [{"user_id": "7"}]}, {"idempotency_key": "x"}]
    )

    assert sorted(statuses(database), key=str) == [
        *[("cancelled", "producer game-service"), *[("pending", None)] * 2],
        ("skipped", None),
    ]
    assert answers(database) == [(True, False, 1, 0, 1), (False, True, 0, 0, 0)]
    assert {channel: len(ids) for channel, ids in got.due.items()} == {"email": 1, "push": 1}
    assert got.cancelled == {("push", "game.turn.ready"): 1}
    [row] = [row for row in all_routes(database) if row["status"] == "cancelled"]
    assert (row["next_attempt_at"], row["lease_token"], row["stream"]) == (None, None, None)


def test_a_handover_leaves_out_what_is_cancelled_on_arrival(database: Database) -> None:
    """Of a batch that is handed over, only what is to be sent is leased (R14)."""
    cancel_intents(database, [asking()])
    batch = [incoming("1-0", idempotency_key=KEY), incoming("2-0")]

    got = accept(database, INTENTS, batch, [], Handover({"email": "mail:delivery_commands"}, TTL))

    assert {channel: len(ids) for channel, ids in got.due.items()} == {"email": 1, "push": 1}
    assert len([row for row in all_routes(database) if row["lease_token"]]) == 1


def test_the_first_cancellation_stands(database: Database) -> None:
    """A repetition changes nothing; the very same entry, read again, is known as that."""
    taken(database)
    cancel_intents(database, [asking()])

    again = cancel_intents(database, [asking(), asking(entry_id="9-7")])

    assert (list(again.new), [c.entry_id for c in again.known]) == ([], ["9-0", "9-7"])
    assert (set(again.again), again.routes) == ({"9-0"}, {})
    assert answers(database) == [(True, False, 2, 0, 0)]
    assert known_cancellations(database, [asking().cancellation.notification_id]) == {
        asking().cancellation.notification_id
    }


def test_two_of_one_key_in_a_batch_are_one(database: Database) -> None:
    """The one that stands first on the stream is recorded; the other repeats it."""
    done = cancel_intents(database, [asking(entry_id="9-0"), asking(entry_id="9-1")])

    assert ([c.entry_id for c in done.new], [c.entry_id for c in done.known]) == (["9-0"], ["9-1"])
    assert count(database, "cancellations") == 1


def test_another_producers_key_is_another_intent(database: Database) -> None:
    """A producer cancels its own alone."""
    taken(database)

    cancel_intents(database, [asking(producer="shop")])

    assert {status for status, _ in statuses(database)} == {"pending"}
    assert answers(database) == [(False, True, 0, 0, 0)]


def test_too_late_and_partly_are_counted(database: Database) -> None:
    """What was published before is counted as that, in an answer of its own."""
    email, _ = taken(database)
    change(database, [email], FINAL["published"])

    cancel_intents(database, [asking()])

    assert sorted(statuses(database)) == [("cancelled", "producer game-service"), ("published", None)]
    assert answers(database) == [(True, False, 1, 1, 0)]


@pytest.mark.parametrize("published", [False, True])
def test_what_is_under_way_is_answered_once_it_has_ended(database: Database, published: bool) -> None:
    """A route under lease keeps the answer waiting; the pass over the routes that end says that there is one."""
    taken(database)
    claim = claim_due(database, "email", limit=9, lease_ttl=TTL)

    cancel_intents(database, [asking()])
    assert answers(database) == [(False, False, 0, 0, 0)]
    assert claim_ending(database, "push", limit=9, lease_ttl=TTL).unanswered
    assert answer_cancellations(database) == []
    outcome = Published(claim.routes[0].route, "1-0") if published else Cancelled(claim.routes[0].route)
    complete(database, claim.token, [outcome])

    id_ = asking().cancellation.notification_id
    counts = (1, 1, 0) if published else (2, 0, 0)
    assert answer_cancellations(database) == [Answer(id_, "game-service", KEY, *counts)]
    assert answer_cancellations(database) == []
    assert answers(database) == [(True, False, *counts)]
    assert not claim_ending(database, "push", limit=9, lease_ttl=TTL).unanswered


def test_a_dead_letter_is_cancelled_and_one_that_was_discarded_is_dealt_with(database: Database) -> None:
    """The one that waits is opened as marked; the other stays as it is, and is counted as ended otherwise."""
    email, push = taken(database)
    for route in (email, push):
        bury_something(database)
        last = "(SELECT max(id) FROM dead_letters)"
        change(database, [route], FINAL["dead_letter"].replace("(SELECT id FROM dead_letters LIMIT 1)", last))
    id_ = asking().cancellation.notification_id
    execute(database, "UPDATE dead_letters SET notification_id = %s", id_)
    discard(database, dead_letter_ids(database, DeadLetterFilter(), before=None, limit=1), "bob")

    cancel_intents(database, [asking()])

    assert sorted(statuses(database), key=str) == [("dead_letter", None), ("pending", "producer game-service")]
    assert {row["discarded_by"] for row in rows(database, "SELECT discarded_by FROM dead_letters")} == {
        *("bob", "producer game-service"),
    }
    claim = claim_ending(database, "email", limit=9, lease_ttl=TTL)
    complete(database, claim.token, [Cancelled(claimed.route) for claimed in claim.routes])
    assert [answer.otherwise for answer in answer_cancellations(database)] == [1]


def test_of_a_pruned_notification_nothing_is_left_to_cancel(database: Database) -> None:
    """It is answered at once, and cancels no intent that comes."""
    id_ = asking().cancellation.notification_id
    execute(database, "INSERT INTO pruned_notifications VALUES (%s, '', now())", id_)

    cancel_intents(database, [asking()])

    assert answers(database) == [(True, False, 0, 0, 0)]


def test_no_notification_is_left_behind(database: Database) -> None:
    """The placeholder by which a cancellation waits for an acceptance is seen by nobody."""
    cancel_intents(database, [asking(f"k{n}", f"9-{n}") for n in range(7)])

    assert count(database) == 0


def test_a_cancellation_is_kept_as_long_as_the_key(database: Database) -> None:
    """While the notification or its key is there; without them, as long as keys are kept."""
    taken(database)
    gone, waits = asking("gone", "9-1"), asking("waits", "9-2")
    execute(database, "INSERT INTO pruned_notifications VALUES (%s, '', now())", gone.cancellation.notification_id)
    cancel_intents(database, [asking(), gone, waits])

    assert prune_cancellations(database, timedelta(hours=1)) == 0
    execute(database, "UPDATE cancellations SET requested_at = now() - interval '2 hours'")
    assert prune_cancellations(database, timedelta(hours=1)) == 1
    execute(database, "DELETE FROM pruned_notifications")
    assert prune_cancellations(database, timedelta(hours=1)) == 1
    assert [row["idempotency_key"] for row in rows(database, "SELECT idempotency_key FROM cancellations")] == [KEY]
