"""Republishing: published routes are pending again under the same delivery id (R3)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from publisher.domain.answer import AnswerIs
from publisher.domain.delivery_event import Fault
from publisher.domain.errors import BadRequest
from publisher.operations.changes.audited import resumable
from publisher.operations.changes.bulk import Batch, Change, filter_of, target_of
from publisher.operations.names import check_type, installed_channel
from publisher.settings.settings import Settings
from storage import republishing as store
from storage.database import Database
from storage.republishing import LOOKED_THROUGH, PublishedFilter, PublishedRoute

__all__ = [
    "LOOKED_THROUGH",
    "Counted",
    "PublishedFilter",
    "PublishedRoute",
    "count_published",
    "newest_published",
    "plan_republish",
    "plan_republish_rest",
]

_ACTION = "republish-routes"


@dataclass(frozen=True, slots=True)
class Counted:
    """Published routes that were counted. matching: ends at the count: no route that is published later is among them.

    count: how many match.
    """

    matching: PublishedFilter
    count: int


def count_published(database: Database, settings: Settings, matching: PublishedFilter) -> Counted:
    """Counts the published routes that could be published again, those of now.

    Raises BadRequest for a channel that is not installed, a type that nothing has, or an answer after which nothing is
    sent again.
    """
    if matching.answer is AnswerIs.COMPLAINED:
        raise BadRequest("a recipient who complained is not sent the same again: leave --answer complained out")
    if matching.channel is not None:
        installed_channel(settings, matching.channel)
    chosen = replace(matching, until=store.window_end(database, matching.until))
    count = store.count_published(database, _channels(settings, chosen), chosen)
    if not count:
        check_type(database, matching.notification_type)
    return Counted(chosen, count)


def newest_published(database: Database, matching: PublishedFilter, *, limit: int) -> Sequence[PublishedRoute]:
    """Returns up to `limit` of the routes that `count_published` counts, those published last first.

    matching: of one channel. The newest LOOKED_THROUGH of its window are looked through, and no older one.
    """
    until = store.window_end(database, matching.until)
    return store.newest_published(database, str(matching.channel), replace(matching, until=until), limit=limit)


def plan_republish(database: Database, settings: Settings, matching: PublishedFilter, by: str) -> Change:
    """Counts the published routes to be published again, those of now. A route past its deadline is left alone.

    by: the operator. Raises BadRequest for a channel that is not installed, a type that nothing has, or an answer after
    which nothing is sent again.
    """
    return _change(settings, count_published(database, settings, matching), by)


def plan_republish_rest(database: Database, settings: Settings, action_id: int, by: str) -> Change:
    """Counts the routes that a republish left when it was interrupted or failed.

    Raises NotFound, or BadRequest if the action is no republish, or is done.
    """
    resumed = resumable(database, action_id, _ACTION)
    matching = _kept(resumed.target)
    count = store.count_published(database, _channels(settings, matching), matching)
    return replace(_change(settings, Counted(matching, count), by), resumed=resumed)


def _kept(target: Mapping[str, object]) -> PublishedFilter:
    """The filter that the audit keeps, which keeps an answer and a fault by name."""
    kept = filter_of(PublishedFilter, target)
    answer, fault = (None if kept.answer is None else AnswerIs(kept.answer)), kept.fault
    return replace(kept, answer=answer, fault=None if fault is None else Fault(fault))


def _channels(settings: Settings, matching: PublishedFilter) -> Sequence[str]:
    return sorted(settings.channels) if matching.channel is None else [matching.channel]


def _change(settings: Settings, counted: Counted, by: str) -> Change:
    matching = counted.matching
    batches = partial(_batches, _channels(settings, matching), matching)
    return Change(_ACTION, by, target_of(matching), matched=counted.count, batches=batches)


def _batches(
    channels: Sequence[str], matching: PublishedFilter, database: Database, action_id: int, limit: int
) -> Iterator[Batch]:
    """Channel by channel, each in the order in which its routes were published."""
    for channel in channels:
        after, more = None, True
        while more:
            done = store.republish(database, channel, matching, after=after, limit=limit, action_id=action_id)
            after, more = done.last, done.last is not None
            yield Batch({channel: done.count} if done.count else {}, more or channel != channels[-1])
