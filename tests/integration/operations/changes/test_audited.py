"""An operator's action is on record before its change and told how it ended, in one way for every kind (R34)."""

import pytest

from publisher.domain.errors import BadRequest, DatabaseUnavailable, PublisherError
from publisher.operations.changes import audited as operations
from publisher.operations.changes.audited import audited, resumable
from storage.actions import ActionOutcome, advance_action, find_action
from storage.database import Database


def ended(database: Database, action_id: int) -> tuple[ActionOutcome, bool]:
    """How the action ended, and whether it has an end."""
    record = find_action(database, action_id)
    return record.outcome, record.ended_at is not None


def test_an_action_is_on_record_while_its_change_is_made(database: Database) -> None:
    """It says 'running' within the block and 'done' after it, with who, what and how many (R34)."""
    with audited(database, "pause-channel", "ann", {"channel": "email"}, 7) as action:
        assert ended(database, action.id) == (ActionOutcome.RUNNING, False)
        advance_action(database, action.id, 3)

    record = find_action(database, action.id)
    assert (record.action, record.by, record.target) == ("pause-channel", "ann", {"channel": "email"})
    assert (record.matched, record.done, record.outcome) == (7, 3, ActionOutcome.DONE)


def test_a_change_that_was_told_to_stop_says_so(database: Database) -> None:
    """The block sets the end that is recorded where nothing is raised (R34)."""
    with audited(database, "requeue-dead-letters", "ann", {}) as action:
        action.outcome = ActionOutcome.INTERRUPTED

    assert ended(database, action.id) == (ActionOutcome.INTERRUPTED, True)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (KeyboardInterrupt(), ActionOutcome.INTERRUPTED),
        (DatabaseUnavailable("gone"), ActionOutcome.FAILED),
        (ValueError("a bug"), ActionOutcome.FAILED),
        (SystemExit(3), ActionOutcome.FAILED),
    ],
)
def test_what_ends_a_change_early_is_recorded_and_raised_on(
    database: Database, error: BaseException, outcome: ActionOutcome
) -> None:
    """Ctrl-C interrupts, every other error fails the action; whoever called hears of it either way (R34)."""
    with pytest.raises(type(error)), audited(database, "pause-channel", "ann", {}) as action:
        raise error

    assert ended(database, action.id) == (outcome, True)


def test_an_end_that_cannot_be_recorded_is_told_after_a_change_and_not_instead_of_its_error(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change's own error comes first; without one, the text says that the action stays 'running' (R34)."""

    def refuse(*_: object) -> bool:
        raise DatabaseUnavailable("PostgreSQL is away")

    monkeypatch.setattr(operations, "end_action", refuse)

    with pytest.raises(BadRequest, match=r"^paused already$"), audited(database, "pause-channel", "ann", {}):
        raise BadRequest("paused already")
    with (
        pytest.raises(DatabaseUnavailable, match=r"PostgreSQL is away; the end of action 2 is not recorded"),
        audited(database, "pause-channel", "ann", {}) as action,
    ):
        pass

    assert ended(database, action.id) == (ActionOutcome.RUNNING, False)


def test_an_action_that_did_not_end_well_goes_on_under_its_id(database: Database) -> None:
    """Resumed it runs again, ends again, and keeps who resumed it; done meanwhile, it is refused (R34)."""
    with audited(database, "requeue-dead-letters", "ann", {"up_to": 3}) as first:
        first.outcome = ActionOutcome.INTERRUPTED
    interrupted = resumable(database, first.id, "requeue-dead-letters")

    with audited(database, "requeue-dead-letters", "bob", {}, resumed=interrupted) as second:
        assert ended(database, second.id) == (ActionOutcome.RUNNING, False)

    record = find_action(database, first.id)
    assert (second.id, record.outcome) == (first.id, ActionOutcome.DONE)
    assert record.target == {"up_to": 3, "resumed_by": ["bob"]}
    with (
        pytest.raises(BadRequest, match="someone else went on with it"),
        audited(database, "requeue-dead-letters", "eve", {}, resumed=interrupted),
    ):
        pytest.fail("the block ran")


@pytest.mark.parametrize(("kind", "said"), [("republish-routes", "is 'requeue"), ("requeue-dead-letters", "is done")])
def test_an_action_of_another_kind_or_done_is_not_resumable(database: Database, kind: str, said: str) -> None:
    """What cannot go on is refused before anybody is asked (R34)."""
    with audited(database, "requeue-dead-letters", "ann", {}) as action:
        pass

    with pytest.raises(PublisherError, match=said):
        resumable(database, action.id, kind)
