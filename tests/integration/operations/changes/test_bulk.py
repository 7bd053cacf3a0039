"""A change in bulk as a page would make it: counted, then carried out with callbacks, and its end a value (R34)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from publisher.domain.errors import DatabaseRefused, NotFound
from publisher.operations.changes.bulk import Change, Ended, Hooks, carry_out
from publisher.operations.changes.discard import plan_discard, plan_discard_rest
from publisher.operations.changes.republish import PublishedFilter, plan_republish, plan_republish_rest
from publisher.operations.changes.requeue import DeadLetterFilter, plan_requeue, plan_requeue_rest
from publisher.settings.settings import Settings
from storage.actions import ActionOutcome, find_action
from storage.database import Database
from tests.acceptance.final_routes import BURY, PUBLISH
from tests.acceptance.outside import users
from tests.factories import CHANNELS, accepted
from tests.integration.rows import execute, rows

# So many routes a second make batches of five.
RATE = 20
DONE, INTERRUPTED, FAILED = ActionOutcome.DONE, ActionOutcome.INTERRUPTED, ActionOutcome.FAILED


@dataclass
class Caller:
    """A caller that notes what it is told.

    counts: routes a batch. pauses: seconds that it was to wait. woken: channels.
    then: called after each batch. stops: how often it lets the change go on.
    """

    counts: list[int] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    then: Callable[[], None] = lambda: None
    stops: int = 100
    wakes: bool = True

    @property
    def hooks(self) -> Hooks:
        """What the change calls."""
        return Hooks(self._on_batch, self._stopping, self._wake)

    def _on_batch(self, count: int) -> None:
        self.counts.append(count)
        self.then()

    def _stopping(self, pause: timedelta) -> bool:
        self.pauses.append(pause.total_seconds())
        return len(self.pauses) > self.stops

    def _wake(self, channel: str) -> bool:
        self.woken.append(channel)
        return self.wakes


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    """With email and push."""
    return Settings.from_environ(environ, CHANNELS)


@pytest.fixture
def buried(database: Database) -> None:
    """Six dead email routes and six dead push routes."""
    accepted(database, [{"recipients_json": users(6)}])
    execute(database, BURY)


def pending(database: Database) -> int:
    [row] = rows(database, "SELECT count(*) FROM routes WHERE status = 'pending'")
    return int(row["count"])


@pytest.fixture
def change(database: Database, settings: Settings, buried: None) -> Change:
    """The requeue of all twelve by ann."""
    return plan_requeue(database, settings, DeadLetterFilter(), "ann")


def test_counting_changes_nothing(database: Database, change: Change) -> None:
    """A plan says how many it is about; until it is carried out there is no action and no change (R34)."""
    assert (change.matched, change.by, change.resumed) == (12, "ann", None)
    assert (pending(database), rows(database, "SELECT * FROM operator_actions")) == (0, [])


def test_progress_is_told_batch_by_batch_and_the_pace_asked_for(database: Database, change: Change) -> None:
    """Each count is of a committed batch; pauses come between batches and none behind the last (R34)."""
    seen: list[int] = []
    caller = Caller(then=lambda: seen.append(pending(database)))

    ended = carry_out(database, change, RATE, caller.hooks)

    assert ended == Ended(1, 12, 12, DONE)
    assert (caller.counts, seen) == ([5, 5, 2], [5, 10, 12])
    assert caller.pauses[0] == 0
    assert [0 < pause <= 0.25 for pause in caller.pauses[1:]] == [True, True]
    record = find_action(database, 1)
    assert (record.action, record.by, record.matched, record.done) == ("requeue-dead-letters", "ann", 12, 12)


def test_without_a_rate_it_goes_as_fast_as_it_can(database: Database, change: Change) -> None:
    """One batch holds all twelve, and nobody waits."""
    caller = Caller()

    carry_out(database, change, None, caller.hooks)

    assert (caller.counts, caller.pauses) == ([12], [0])


@pytest.mark.parametrize(("stops", "counts"), [(0, []), (1, [5]), (2, [5, 5])])
def test_told_to_stop_it_ends_between_two_batches(
    database: Database, change: Change, stops: int, counts: list[int]
) -> None:
    """What was done stays done and counted, and the action says 'interrupted' (R34)."""
    caller = Caller(stops=stops)

    ended = carry_out(database, change, RATE, caller.hooks)

    assert ended == Ended(1, 12, sum(counts), INTERRUPTED)
    assert (caller.counts, pending(database)) == (counts, sum(counts))
    assert find_action(database, 1).outcome is INTERRUPTED


def test_ctrl_c_is_answered_as_a_stop(database: Database, settings: Settings, change: Change) -> None:
    """A KeyboardInterrupt in a callback is a value as well, and the rest is done under the same action (R34)."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    ended = carry_out(database, change, RATE, Caller(then=interrupt).hooks)
    assert ended == Ended(1, 12, 5, INTERRUPTED)

    rest = plan_requeue_rest(database, 1, "bob")
    assert (rest.matched, rest.resumed and rest.resumed.id) == (7, 1)
    assert carry_out(database, rest, None, Caller().hooks) == Ended(1, 12, 12, DONE)
    assert find_action(database, 1).target["resumed_by"] == ["bob"]


def test_a_batch_that_fails_is_a_value_and_leaves_a_resumable_action(
    database: Database, settings: Settings, change: Change
) -> None:
    """Its error comes back with the action's id; the batches before it are counted, its own changed nothing (R34)."""
    broken = "ALTER TABLE routes ADD CONSTRAINT broken CHECK (status <> 'pending') NOT VALID"

    ended = carry_out(database, change, RATE, Caller(then=lambda: execute(database, broken)).hooks)

    assert isinstance(ended.error, DatabaseRefused)
    assert (ended.action, ended.done, ended.outcome) == (1, 5, FAILED)
    record = find_action(database, 1)
    assert (record.done, record.outcome, pending(database)) == (5, FAILED, 5)
    execute(database, "ALTER TABLE routes DROP CONSTRAINT broken")
    rest = plan_requeue_rest(database, 1, "ann")
    assert carry_out(database, rest, None, Caller().hooks) == Ended(1, 12, 12, DONE)


def test_a_failing_callback_fails_the_action_and_is_raised(database: Database, change: Change) -> None:
    """A bug of the caller is no value; what was done is counted all the same (R34)."""

    def fail() -> None:
        raise ValueError("no bar")

    with pytest.raises(ValueError, match="no bar"):
        carry_out(database, change, RATE, Caller(then=fail).hooks)

    record = find_action(database, 1)
    assert (record.done, record.outcome) == (5, FAILED)


def test_workers_are_woken_once_for_each_channel(database: Database, change: Change) -> None:
    """At the first batch, and at the end for what came since; after one that failed no other is tried (R14)."""
    caller, deaf = Caller(), Caller(wakes=False, stops=2)

    carry_out(database, change, RATE, deaf.hooks)
    carry_out(database, plan_requeue_rest(database, 1, "ann"), RATE, caller.hooks)

    assert deaf.woken == ["push"]
    assert sorted(caller.woken) == ["email"]


def test_what_is_past_its_deadline_is_counted_apart(database: Database, settings: Settings, buried: None) -> None:
    """It would never be sent: it is not among those matched, and stays a dead letter (R3)."""
    execute(database, "UPDATE routes SET expires_at = now() - interval '1 hour' WHERE channel = 'email'")

    change = plan_requeue(database, settings, DeadLetterFilter(), "ann")
    ended = carry_out(database, change, None, Caller().hooks)

    assert change.past_deadline is not None
    assert (change.matched, change.past_deadline(), ended.done) == (6, 6, 6)


def test_a_discard_is_paced_goes_on_with_its_rest_and_wakes_nobody(
    database: Database, settings: Settings, buried: None
) -> None:
    """Interrupted after one batch, its rest is done under the same action; nothing is due after it (R34)."""
    caller = Caller(stops=1)

    ended = carry_out(database, plan_discard(database, settings, DeadLetterFilter(), "ann"), RATE, caller.hooks)

    assert (caller.counts, ended) == ([5], Ended(1, 12, 5, INTERRUPTED))
    rest = plan_discard_rest(database, 1, "bob")
    assert rest.matched == 7
    assert carry_out(database, rest, None, Caller().hooks) == Ended(1, 12, 12, DONE)
    assert (caller.woken, pending(database)) == ([], 0)


def test_routes_are_republished_channel_by_channel(database: Database, settings: Settings) -> None:
    """Interrupted within the second channel, the rest is found again by the window that the action keeps (R34)."""
    accepted(database, [{"recipients_json": users(6)}])
    execute(database, PUBLISH)
    change = plan_republish(database, settings, PublishedFilter(), "ann")

    caller = Caller(stops=3)
    ended = carry_out(database, change, RATE, caller.hooks)

    assert (caller.counts, ended) == ([5, 1, 5], Ended(1, 12, 11, INTERRUPTED))
    rest = plan_republish_rest(database, settings, 1, "ann")
    assert rest.matched == 1
    assert carry_out(database, rest, None, Caller().hooks) == Ended(1, 12, 12, DONE)
    with pytest.raises(NotFound):
        plan_republish_rest(database, settings, 2, "ann")


@pytest.mark.usefixtures("end_not_heard")
def test_a_lost_reply_to_its_end_makes_no_failure_of_a_change(database: Database, change: Change) -> None:
    """All twelve are changed and counted: so it ended, though nobody heard that the end is recorded (R34)."""
    assert carry_out(database, change, None, Caller().hooks) == Ended(1, 12, 12, DONE)
    assert find_action(database, 1).outcome is DONE
