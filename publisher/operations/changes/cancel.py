"""Cancels routes that have not ended: they are never sent, unless their command stands already (R28, R34).

A route of which no attempt was ever begun is cancelled at once. Every other one is marked, and ends once it is free:
cancelled, or published if its command was written before. A dead letter is opened again for that, as marked.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from publisher.domain.notification import RouteStatus
from publisher.operations.changes.audited import resumable
from publisher.operations.changes.bulk import Batch, Change, filter_of, target_of
from publisher.operations.names import check_channel, check_producer, check_recipient, check_type
from publisher.settings.settings import Settings
from storage.actions import advance_action
from storage.cancelling import cancelling as store
from storage.cancelling.cancelling import CancelFilter
from storage.database import Database

__all__ = ["CancelFilter", "Cancellations", "Cancelling", "plan_cancel", "plan_cancel_rest"]

_ACTION = "cancel-routes"


@dataclass(frozen=True, slots=True)
class Cancellations:
    """How far a change has come.

    cancelled: routes that are cancelled.
    published: routes whose command stood already: the cancellation came too late.
    under_way: open routes under a lease: each is cancelled once its attempt ends without a command.
    waiting: open routes that nobody has in hands: the next scan ends each, cancelled unless its command stands.
    otherwise: routes that ended in another way: their deadline passed.
    missed: routes that were counted, and had been published, or had ended otherwise, before they could be marked.
    """

    cancelled: int
    published: int
    under_way: int
    waiting: int
    otherwise: int
    missed: int


@dataclass(slots=True)
class Cancelling:
    """A cancellation that was counted, and not begun.

    change: what `bulk.carry_out` does.
    dead_letters: how many of the routes are dead letters.
    action: the action that counts the routes; None before it is begun.
    cancelled: how many routes were cancelled at once so far.
    marked: channel -> the keys of the routes that were marked so far.
    """

    change: Change
    dead_letters: int
    action: int | None = None
    cancelled: int = 0
    marked: dict[str, list[int]] = field(default_factory=dict)

    def settle(self, channels: Collection[str], end: Callable[[str], bool]) -> None:
        """Ends the marked routes that are free, and would otherwise wait for the next scan.

        channels: the installed ones.
        end: ends a batch of a channel's routes; True: there may be more. Whatever it raises is raised on.
        """
        for channel in sorted(self.marked.keys() & channels):
            more = True
            while more:
                more = end(channel)

    def come_to(self, database: Database) -> Cancellations:
        """Reads what became of the routes that were marked. The action counts as done those that are cancelled by now.

        To be called once, at the end of a change. One that is cut short has counted every route that it marked.
        """
        found: Counter[str] = Counter()
        for ids in self.marked.values():
            for (status, leased), count in store.statuses_of(database, ids).items():
                found[_kind(status, leased=leased)] += count
        marked = sum(found.values())
        if self.action is not None and marked > found["cancelled"]:
            advance_action(database, self.action, found["cancelled"] - marked)
        missed = max(self.change.matched - self.cancelled - marked, 0)
        cancelled = self.cancelled + found["cancelled"]
        return Cancellations(
            cancelled, found["published"], found["under_way"], found["waiting"], found["otherwise"], missed
        )


_WALKS = (store.mark_for_cancelling, store.reopen_for_cancelling)


def plan_cancel(database: Database, settings: Settings, matching: CancelFilter, by: str) -> Cancelling:
    """Counts the open routes and dead letters to be cancelled, those of now.

    by: the operator. Raises BadRequest for a channel, type or producer that nothing has, and for a recipient that is
    none.
    """
    check_channel(database, settings, matching.channel)
    check_recipient(matching.recipient_ref)
    until, up_to = store.bounds_of_now(database, matching.until)
    cancelling = _cancelling(database, replace(matching, until=until, up_to=up_to), by)
    if not cancelling.change.matched:
        check_type(database, matching.notification_type)
        check_producer(database, matching.producer)
    return cancelling


def plan_cancel_rest(database: Database, action_id: int, by: str) -> Cancelling:
    """Counts the routes that a cancellation left when it was interrupted or failed.

    Raises NotFound, or BadRequest if the action is no cancellation, or is done.
    """
    resumed = resumable(database, action_id, _ACTION)
    cancelling = _cancelling(database, filter_of(CancelFilter, resumed.target), by)
    cancelling.change = replace(cancelling.change, resumed=resumed)
    return cancelling


def _kind(status: RouteStatus, *, leased: bool) -> str:
    """The field of Cancellations that counts a marked route."""
    if status in {RouteStatus.PENDING, RouteStatus.FAILED}:
        return "under_way" if leased else "waiting"
    return {RouteStatus.CANCELLED: "cancelled", RouteStatus.PUBLISHED: "published"}.get(status, "otherwise")


def _cancelling(database: Database, matching: CancelFilter, by: str) -> Cancelling:
    channels = store.channels_to_cancel_in(database) if matching.channel is None else [matching.channel]
    open_, dead = store.count_to_cancel(database, channels, matching)

    def batches(database: Database, action_id: int, limit: int) -> Iterator[Batch]:
        cancelling.action = action_id
        return _batches(cancelling, channels, matching, by, database, action_id, limit)

    change = Change(_ACTION, by, target_of(matching), matched=open_ + dead, batches=batches, makes_due=False)
    cancelling = Cancelling(change, dead)
    return cancelling


def _batches(
    cancelling: Cancelling,
    channels: Sequence[str],
    matching: CancelFilter,
    by: str,
    database: Database,
    action_id: int,
    limit: int,
) -> Iterator[Batch]:
    """Channel by channel: its open routes in the order in which they are due, then its dead letters."""
    walks = [(channel, cancel) for channel in channels for cancel in _WALKS]
    for channel, cancel in walks:
        after, more = None, True
        while more:
            done = cancel(database, channel, matching, by, after=after, limit=limit, action_id=action_id)
            after, more = done.last, done.last is not None
            cancelling.cancelled += done.count - len(done.open)
            if done.open:
                cancelling.marked.setdefault(channel, []).extend(done.open)
            yield Batch({channel: done.count} if done.count else {}, more or (channel, cancel) != walks[-1])
