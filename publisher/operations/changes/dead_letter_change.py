"""Chooses the dead letters of a change, and pages through them: what a requeue and a discard have in common."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from publisher.operations.names import check_channel, check_classification, check_type
from publisher.settings.settings import Settings
from storage import dead_letters as store
from storage.database import Database
from storage.dead_letters import DeadLetterFilter


@dataclass(frozen=True, slots=True)
class Counted:
    """Dead letters that were counted for a question to a person.

    matching: with its bound: a change that is given this filter is about these, and about none that come later.
    count: how many match. past_deadline: how many of them cannot be requeued.
    """

    matching: DeadLetterFilter
    count: int
    past_deadline: int


def count_waiting(database: Database, settings: Settings, matching: DeadLetterFilter) -> Counted:
    """Counts the dead letters that match, those of now. Raises BadRequest as `bounded` does."""
    chosen, count = bounded(database, settings, matching)
    return Counted(chosen, count, store.count_past_deadline(database, chosen) if count else 0)


def bounded(database: Database, settings: Settings, matching: DeadLetterFilter) -> tuple[DeadLetterFilter, int]:
    """Returns the filter with a bound, those of now, and how many match it. A bound that it has already stays.

    What is counted, and asked about, is what will be done. Raises BadRequest for a channel, type or classification that
    nothing has.
    """
    check_channel(database, settings, matching.channel)
    chosen = matching if matching.up_to is not None else replace(matching, up_to=store.newest_dead_letter(database))
    count = store.count_dead_letters(database, chosen)
    if not count:
        check_classification(database, settings, matching.classification)
        check_type(database, matching.notification_type)
    return chosen, count


def pages(database: Database, matching: DeadLetterFilter, limit: int) -> Iterator[tuple[Sequence[int], bool]]:
    """Yields the ids of the dead letters page by page, newest first, and whether more may follow.

    A page is read once the one before it was dealt with.
    """
    before, more = None, True
    while more and (ids := store.dead_letter_ids(database, matching, before=before, limit=limit)):
        before, more = ids[-1], len(ids) == limit
        yield ids, more
