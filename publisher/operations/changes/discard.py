"""Discards dead letters that no requeue helps: they wait no more, and who discarded them stays on record (R3, R34).

A discard marks the dead letter and changes nothing of its route, whose status stays dead_letter.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from publisher.operations.changes.audited import resumable
from publisher.operations.changes.bulk import Batch, Change, filter_of, target_of
from publisher.operations.changes.dead_letter_change import bounded, pages
from publisher.settings.settings import Settings
from storage import dead_letters as store
from storage.database import Database
from storage.dead_letters import DeadLetterFilter

__all__ = ["DeadLetterFilter", "plan_discard", "plan_discard_rest"]

_ACTION = "discard-dead-letters"


def plan_discard(database: Database, settings: Settings, matching: DeadLetterFilter, by: str) -> Change:
    """Counts the dead letters to be discarded, those of now.

    by: the operator, kept with each dead letter. Raises BadRequest for a channel, type or classification that nothing
    has.
    """
    return _change(*bounded(database, settings, matching), by)


def plan_discard_rest(database: Database, action_id: int, by: str) -> Change:
    """Counts the dead letters that a discard left when it was interrupted or failed.

    Raises NotFound, or BadRequest if the action is no discard, or is done.
    """
    resumed = resumable(database, action_id, _ACTION)
    matching = filter_of(DeadLetterFilter, resumed.target)
    return replace(_change(matching, store.count_dead_letters(database, matching), by), resumed=resumed)


def _change(matching: DeadLetterFilter, count: int, by: str) -> Change:
    batches = partial(_batches, matching, by)
    return Change(_ACTION, by, target_of(matching), matched=count, batches=batches, makes_due=False)


def _batches(matching: DeadLetterFilter, by: str, database: Database, action_id: int, limit: int) -> Iterator[Batch]:
    for ids, more in pages(database, matching, limit):
        yield Batch(Counter(store.discard(database, ids, by, action_id)), more)
