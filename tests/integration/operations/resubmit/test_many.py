"""Sending all malformed intents that match again: oldest first, page by page, each counted (R19, R34)."""

from typing import Any

import pytest
import redis

from publisher.operations import resubmit as resubmission
from publisher.operations.resubmit import Resubmission
from publisher.streams.producer import add_intents
from storage.actions import ActionFilter, ActionOutcome, list_actions
from storage.database import Database
from storage.malformed import MalformedFilter, malformed_pages
from tests.factories import accepted
from tests.integration.operations.resubmit.resubmissions import Give, action, marks, send_all, sent
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

    tally = send_all(work, seen.append)

    assert [fields["idempotency_key"] for fields in sent(redis_client)] == ["a", "b"]
    assert (tally.sent, tally.taken, dict(tally.left)) == (2, 0, {"unknown_channel": 1, "idempotency_conflict": 1})
    assert [as_ is not None for as_ in marks(database)] == [True, False, False, True]
    assert seen == [4]
    done = action(database)
    assert (done.matched, done.done, done.outcome) == (3, 2, ActionOutcome.DONE)


def test_a_survey_changes_nothing(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database
) -> None:
    """A dry run says how many would go, sends nothing and leaves no action."""
    give()
    give(channels_json=["pigeon"])

    tally = work.survey(MalformedFilter(), lambda _: None)

    assert (tally.sent, dict(tally.left)) == (1, {"unknown_channel": 1})
    assert (sent(redis_client), marks(database)) == ([], [None, None])
    assert list_actions(database, ActionFilter(), limit=1) == []


def test_what_was_interrupted_is_done_by_doing_it_again(
    work: Resubmission, give: Give, redis_client: redis.Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after a page leaves whole pages and an action that says so; the next run does the rest, none twice."""
    keys = [give(idempotency_key=str(n)).facts.id and str(n) for n in range(3)]
    pages = malformed_pages
    monkeypatch.setattr(resubmission, "malformed_pages", lambda *given: pages(*given, limit=2))

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_all(work, interrupt)
    interrupted = action(database)
    assert (interrupted.done, interrupted.outcome) == (2, ActionOutcome.INTERRUPTED)

    assert send_all(work).sent == 1
    assert [fields["idempotency_key"] for fields in sent(redis_client)] == keys


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

    tally = send_all(work)

    assert (tally.sent, tally.taken) == (2, 1)
    assert None not in marks(database)


@pytest.mark.usefixtures("end_not_heard")
def test_the_tally_is_told_though_nobody_heard_that_the_end_is_recorded(
    work: Resubmission, give: Give, database: Database
) -> None:
    """Two are sent and marked, and counted in the answer (R34)."""
    give(idempotency_key="a")
    give(idempotency_key="b")

    assert send_all(work).sent == 2
    assert None not in marks(database)
