"""The audit of operators' actions: begun, counted, ended, taken up again, listed."""

from datetime import UTC, datetime, timedelta

import pytest

from publisher.domain.errors import NotFound
from storage.actions import (
    ActionFilter,
    ActionOutcome,
    advance_action,
    begin_action,
    end_action,
    find_action,
    list_actions,
    resume_action,
)
from storage.database import Database
from tests.integration.rows import execute


def test_an_action_keeps_who_when_what_and_how_many(database: Database) -> None:
    """It runs until its end is told, which happens once."""
    id_ = begin_action(database, "pause-channel", "ann", {"channel": "email"}, 2)
    assert advance_action(database, id_, 1) == 1

    begun = find_action(database, id_)
    assert (begun.action, begun.by, begun.target) == ("pause-channel", "ann", {"channel": "email"})
    assert (begun.matched, begun.done, begun.outcome, begun.ended_at) == (2, 1, ActionOutcome.RUNNING, None)
    assert abs(datetime.now(UTC) - begun.begun_at) < timedelta(minutes=1)
    assert end_action(database, id_, ActionOutcome.FAILED)
    assert not end_action(database, id_, ActionOutcome.DONE)
    ended = find_action(database, id_)
    assert ended.outcome is ActionOutcome.FAILED
    assert ended.ended_at is not None
    assert ended.ended_at >= ended.begun_at


@pytest.mark.parametrize("outcome", [ActionOutcome.INTERRUPTED, ActionOutcome.FAILED, None])
def test_an_action_that_did_not_end_well_runs_again_and_says_who_took_it_up(
    database: Database, outcome: ActionOutcome | None
) -> None:
    """Interrupted, failed, or never told because its process was killed; everyone who went on is named."""
    id_ = begin_action(database, "requeue-dead-letters", "ann", {"channel": "email"}, 2)
    if outcome is not None:
        end_action(database, id_, outcome)

    assert resume_action(database, id_, "bob")
    assert resume_action(database, id_, 'Eve "the" \\ third')

    record = find_action(database, id_)
    assert (record.by, record.outcome, record.ended_at) == ("ann", ActionOutcome.RUNNING, None)
    assert record.target == {"channel": "email", "resumed_by": ["bob", 'Eve "the" \\ third']}
    assert end_action(database, id_, ActionOutcome.DONE)


def test_an_action_that_is_done_does_not_run_again(database: Database) -> None:
    """Nothing of it is left, and its row stays as it is; nor does one that never was."""
    id_ = begin_action(database, "requeue-dead-letters", "ann", {}, 2)
    end_action(database, id_, ActionOutcome.DONE)
    before = find_action(database, id_)

    assert not resume_action(database, id_, "bob")
    assert not resume_action(database, id_ + 1, "bob")

    assert find_action(database, id_) == before


def test_one_that_is_not_there_is_named(database: Database) -> None:
    """However large the id."""
    with pytest.raises(NotFound, match="there is no operator action 99999999999999999999"):
        find_action(database, 99999999999999999999)


def test_a_list_is_newest_first_filtered_and_paged(database: Database) -> None:
    """Filters narrow together; `before` goes on where a page ended."""
    ids = [
        begin_action(database, action, by, {}, 1)
        for action, by in [("pause", "ann"), ("resume", "ann"), ("pause", "bob"), ("pause", "ann")]
    ]
    end_action(database, ids[3], ActionOutcome.DONE)
    for day, id_ in enumerate(ids, start=1):
        execute(
            database, "UPDATE operator_actions SET begun_at = %s WHERE id = %s", datetime(2026, 3, day, tzinfo=UTC), id_
        )

    def listed(before: int | None = None, limit: int = 10, **given: object) -> list[int]:
        matching = ActionFilter(**given)  # type: ignore[arg-type]
        return [ids.index(r.id) for r in list_actions(database, matching, before=before, limit=limit)]

    assert listed() == [3, 2, 1, 0]
    assert listed(limit=2) == [3, 2]
    assert listed(limit=2, before=ids[2]) == [1, 0]
    assert listed(action="pause", by="ann") == [3, 0]
    assert listed(outcome=ActionOutcome.RUNNING) == [2, 1, 0]
    assert listed(since=datetime(2026, 3, 2, tzinfo=UTC), until=datetime(2026, 3, 4, tzinfo=UTC)) == [2, 1]
