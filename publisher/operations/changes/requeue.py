"""Requeues dead letters: their routes become pending and due now, with an attempt count of zero (R3)."""

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

__all__ = ["DeadLetterFilter", "plan_requeue", "plan_requeue_rest"]

_ACTION = "requeue-dead-letters"


def plan_requeue(database: Database, settings: Settings, matching: DeadLetterFilter, by: str) -> Change:
    """Counts the dead letters to be requeued, those of now. A route past its deadline is left alone.

    by: the operator, kept with each dead letter. Raises BadRequest for a channel, type or classification that nothing
    has.
    """
    return _change(database, *bounded(database, settings, matching), by)


def plan_requeue_rest(database: Database, action_id: int, by: str) -> Change:
    """Counts the dead letters that a requeue left when it was interrupted or failed.

    Raises NotFound, or BadRequest if the action is no requeue, or is done.
    """
    resumed = resumable(database, action_id, _ACTION)
    matching = filter_of(DeadLetterFilter, resumed.target)
    change = _change(database, matching, store.count_dead_letters(database, matching), by)
    return replace(change, resumed=resumed)


def _change(database: Database, matching: DeadLetterFilter, count: int, by: str) -> Change:
    past_deadline = partial(store.count_past_deadline, database, matching)
    return Change(
        _ACTION,
        by,
        target_of(matching),
        matched=count - past_deadline(),
        batches=partial(_batches, matching, by),
        past_deadline=past_deadline,
    )


def _batches(matching: DeadLetterFilter, by: str, database: Database, action_id: int, limit: int) -> Iterator[Batch]:
    for ids, more in pages(database, matching, limit):
        yield Batch(Counter(route.channel for route in store.requeue(database, ids, by, action_id)), more)
