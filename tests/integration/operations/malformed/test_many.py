"""Sending all malformed intents that match again: oldest first, page by page, each counted (R19, R34)."""

from typing import Any

import pytest
import redis

from publisher.domain.errors import BadRequest
from publisher.operations.changes.bulk import Hooks, carry_out
from publisher.operations.malformed import resubmit as resubmission
from publisher.operations.malformed.resubmit import Resubmission
from publisher.operations.malformed.resubmit_many import plan_resubmission_rest, survey
from publisher.streams.producer import add_intents
from storage.actions import ActionFilter, ActionOutcome, begin_action, list_actions
from storage.database import Database
from storage.malformed.reading import MalformedFilter
from tests.factories import accepted
from tests.integration.operations.malformed.resubmissions import Give, action, marks, send_all, sent
from tests.integration.rows import execute


def test_those_that_match_are_sent_oldest_first_and_the_rest_left(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database
) -> None:
    """Valid ones go, with one mark each; what is still malformed or would conflict stays, counted by its code (R19)."""
    accepted(database, [{"idempotency_key": "k"}])
    give(idempotency_key="a")
    give(channels_json=["pigeon"])
    give(idempotency_key="k", payload_json={"other": 1})
    give(idempotency_key="b")
    seen: list[int] = []

    _, tally = send_all(work, database, seen.append)

    assert [fields["idempotency_key"] for fields in sent(redis_client)] == ["a", "b"]
    assert (tally.sent, tally.taken, dict(tally.left)) == (2, 0, {"unknown_channel": 1, "idempotency_conflict": 1})
    assert [as_ is not None for as_ in marks(database)] == [True, False, False, True]
    assert seen == [2]
    done = action(database)
    assert (done.matched, done.done, done.outcome) == (4, 2, ActionOutcome.DONE)


def test_a_survey_changes_nothing(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database
) -> None:
    """A dry run says how many would go, sends nothing and leaves no action."""
    give()
    give(channels_json=["pigeon"])

    tally = survey(database, work, MalformedFilter(), lambda _: None)

    assert (tally.sent, dict(tally.left)) == (1, {"unknown_channel": 1})
    assert (sent(redis_client), marks(database)) == ([], [None, None])
    assert list_actions(database, ActionFilter(), limit=1) == []


def test_what_was_interrupted_is_resumed(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database
) -> None:
    """Ctrl-C after a page leaves whole pages and an action that says so; its rest is sent under it, none twice."""
    keys = [give(idempotency_key=str(n)).facts.id and str(n) for n in range(3)]

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    # So many a second make pages of two.
    ended, _ = send_all(work, database, interrupt, rate=8)
    assert (ended.matched, ended.done, ended.outcome) == (3, 2, ActionOutcome.INTERRUPTED)
    give(idempotency_key="later")

    rest = plan_resubmission_rest(database, lambda _: work, ended.action, "bob")
    resumed = carry_out(database, rest.change, None, Hooks(lambda _: None, lambda _: False, lambda _: True))

    assert (rest.change.matched, rest.tally.sent) == (1, 1)
    assert (resumed.done, resumed.outcome) == (3, ActionOutcome.DONE)
    assert [fields["idempotency_key"] for fields in sent(redis_client)] == keys
    with pytest.raises(BadRequest, match="is done"):
        plan_resubmission_rest(database, lambda _: work, ended.action, "bob")


def test_an_action_about_one_intent_is_not_resumed_for_all(work: Resubmission, give: Give, database: Database) -> None:
    """It names no filter: its rest would be every intent that waits."""
    begun = begin_action(database, "resubmit-malformed", "ann", {"id": give().facts.id}, 1)
    with pytest.raises(BadRequest, match="is about one intent: resubmit malformed intent 1"):
        plan_resubmission_rest(database, lambda _: work, begun, "bob")


def test_one_that_is_pruned_meanwhile_is_told_apart(
    work: Resubmission, give: Give, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What vanished between sending and marking is counted as taken, and spoils nothing."""
    gone = give().facts.id
    give()
    real = add_intents

    def while_it_is_pruned(*arguments: Any) -> list[str]:
        execute(database, "DELETE FROM malformed_intents WHERE id = %s", gone)
        return real(*arguments)

    monkeypatch.setattr(resubmission, "add_intents", while_it_is_pruned)

    _, tally = send_all(work, database)

    assert (tally.sent, tally.taken) == (2, 1)
    assert None not in marks(database)


@pytest.mark.usefixtures("end_not_heard")
def test_the_tally_is_told_though_nobody_heard_that_the_end_is_recorded(
    work: Resubmission, give: Give, database: Database
) -> None:
    """Two are sent and marked, and counted in the answer (R34)."""
    give(idempotency_key="a")
    give(idempotency_key="b")

    assert send_all(work, database)[1].sent == 2
    assert None not in marks(database)
