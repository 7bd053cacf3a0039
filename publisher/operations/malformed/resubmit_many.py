"""Resubmits all malformed intents that match, unchanged: a change that can be paced, stopped and resumed (R19, R34).

Each page is validated, sent and marked before the next one is read. What would not be accepted stays as it is.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from publisher.domain.errors import BadRequest
from publisher.domain.rejection import Rejection
from publisher.operations.changes.audited import ActionRecord, resumable
from publisher.operations.changes.bulk import Batch, Change, filter_of, target_of
from publisher.operations.malformed.resubmit import ACTION, Resubmission, Sendable
from storage.database import Database
from storage.malformed.reading import MalformedFilter, count_matching, malformed_pages

# What sends intents again, on this database: the one of whoever carries a change out has a time of its own.
Resubmit = Callable[[Database], Resubmission]


@dataclass(slots=True)
class Tally:
    """What became of the intents that match.

    sent: how many were sent, or could be.
    left: how many would not be accepted, by code.
    taken: how many of those sent someone else resubmitted or pruned meanwhile.
    """

    sent: int = 0
    left: Counter[str] = field(default_factory=Counter)
    taken: int = 0

    def judged(self, verdicts: Sequence[Sendable | Rejection]) -> list[Sendable]:
        """Counts these, and returns those that would be accepted."""
        ready = []
        for verdict in verdicts:
            if isinstance(verdict, Rejection):
                self.left[verdict.code.value] += 1
            else:
                ready.append(verdict)
        self.sent += len(ready)
        return ready


@dataclass(frozen=True, slots=True)
class ManyResubmitted:
    """A resubmission of many that was counted, and not begun. tally: grows as the change is carried out."""

    change: Change
    tally: Tally


def count_bounded(database: Database, matching: MalformedFilter) -> tuple[int, MalformedFilter]:
    """Returns how many match, and the filter bounded by the newest of them.

    The number that is asked about is then the number that is sent: an intent that fails once more is newer.
    """
    count, newest = count_matching(database, matching)
    return count, replace(matching, up_to=newest or 0)


def survey(database: Database, work: Resubmission, matching: MalformedFilter, on_page: Callable[[int], None]) -> Tally:
    """Counts those that match and could be sent unchanged. Sends nothing.

    on_page: told how many intents of a page were judged.
    """
    tally = Tally()
    for records in malformed_pages(database, matching):
        tally.judged(work.judge_all_unchanged(records))
        on_page(len(records))
    return tally


def plan_resubmission(database: Database, resubmit: Resubmit, matching: MalformedFilter, by: str) -> ManyResubmitted:
    """Counts the malformed intents that are to be sent, oldest first: those of now, valid or not."""
    return _planned(resubmit, *count_bounded(database, matching), by)


def plan_resubmission_rest(database: Database, resubmit: Resubmit, action_id: int, by: str) -> ManyResubmitted:
    """Counts what an earlier resubmission of many left.

    Raises NotFound, or BadRequest if the action is no such one, or is done.
    """
    resumed = resumable(database, action_id, ACTION)
    if "id" in resumed.target:
        raise BadRequest(f"action {action_id} is about one intent: resubmit malformed intent {resumed.target['id']}")
    return _planned(resubmit, *count_bounded(database, filter_of(MalformedFilter, resumed.target)), by, resumed)


def _planned(
    resubmit: Resubmit, count: int, bounded: MalformedFilter, by: str, resumed: ActionRecord | None = None
) -> ManyResubmitted:
    tally = Tally()

    def batches(database: Database, action_id: int, limit: int) -> Iterator[Batch]:
        work = resubmit(database)
        for records in malformed_pages(database, bounded, limit=limit):
            ready = tally.judged(work.judge_all_unchanged(records))
            marked = work.send_all(ready, by, action_id)
            tally.taken += len(ready) - marked
            yield Batch({records[0].facts.stream: marked}, more=records[-1].facts.id < (bounded.up_to or 0))

    target = target_of(bounded) | {"manner": "unchanged"}
    return ManyResubmitted(Change(ACTION, by, target, count, batches, resumed, makes_due=False), tally)
