"""Prunes finished records past their retention, batch by batch: for the scheduler's jobs and for an operator."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from publisher.domain.errors import BadRequest
from publisher.domain.retention import Retention
from publisher.operations.changes.audited import audited
from storage import retention
from storage.accepting.losses import prune_losses
from storage.accepting.replays import prune_replays
from storage.actions import ActionOutcome, advance_action
from storage.cancelling.cancellations import prune_cancellations
from storage.database import Database
from storage.mail.suppressions import prune_suppressions
from storage.retention import Pruned

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RecordKind:
    """A kind of record that is pruned by its age alone.

    name: in counts.
    title: in logs.
    prune: removes one batch of those older than the given time, and returns how many; 0: none is left.
    kept: how long they are kept. None: for ever.
    """

    name: str
    title: str
    prune: Callable[[Database, timedelta], int]
    kept: Callable[[Retention], timedelta | None] = field(default=lambda keeping: keeping.records)

    def batches(self, database: Database, keeping: Retention) -> Iterator[int]:
        """Prunes batch by batch, and yields how many each removed, until none is left."""
        kept = self.kept(keeping)
        while kept is not None and (count := self.prune(database, kept)):
            yield count


# What an operator's pruning reports, and what the clock's jobs prune.
REPORTED = (
    RecordKind("malformed_intents", "malformed intents", retention.prune_malformed),
    RecordKind("operator_actions", "operators' actions", retention.prune_actions),
    RecordKind("keys", "idempotency keys", retention.prune_keys, lambda keeping: keeping.keys),
)
RECORDS = (
    *REPORTED,
    RecordKind("cancellations", "producers' cancellations", prune_cancellations, lambda keeping: keeping.keys),
    RecordKind("replays", "replays of intents", prune_replays),
    RecordKind("losses", "acknowledged losses of intents", prune_losses),
    RecordKind("mail_deliveries", "mail deliveries of no route", retention.prune_mail),
    # They say themselves when they are over.
    RecordKind("suppressions", "suppressions that are over", prune_suppressions, lambda _: timedelta()),
)


@dataclass(frozen=True, slots=True)
class PrunedBatch:
    """A committed batch.

    counts: how many things of each kind it removed.
    seen: how many of the old notifications it went past, removed or not.
    """

    counts: Mapping[str, int]
    seen: int = 0


def notification_batches(database: Database, kept: timedelta, after: int | None = None) -> Iterator[Pruned]:
    """Prunes notifications batch by batch, the oldest first, and yields what each did. after: `Pruned.last`."""
    more = True
    while more:
        pruned = retention.prune_notifications(database, kept, after=after)
        yield pruned
        after, more = pruned.last, pruned.last is not None


def count_old(database: Database, keeping: Retention) -> int:
    """Counts the notifications that are older than they are kept, whether over or not.

    Raises BadRequest as `kept_for` does.
    """
    return retention.count_old_notifications(database, kept_for(keeping))


def kept_for(keeping: Retention) -> timedelta:
    """Returns how long notifications are kept. Raises BadRequest if they are kept for ever."""
    if keeping.records is None:
        raise BadRequest("PUBLISHER_RETENTION is 0: everything is kept for ever")
    return keeping.records


def prune(
    database: Database,
    keeping: Retention,
    by: str,
    *,
    old: int,
    stopping: Callable[[], bool],
    on_begin: Callable[[], object],
    on_batch: Callable[[PrunedBatch], None],
) -> bool:
    """Prunes notifications and records as an operator's action (R34). Returns False if it was stopped before its end.

    old: the count that `count_old` returned.
    stopping: asked before each batch. What is pruned by then stays pruned.
    on_begin: called once the action is on record, before anything is pruned.
    Raises BadRequest as `kept_for` does.
    """
    kept = kept_for(keeping)
    with audited(database, "prune", by, {"older_than_seconds": kept.total_seconds()}, old) as action:
        on_begin()
        for pruned in until(stopping, notification_batches(database, kept)):
            if pruned.notifications:
                advance_action(database, action.id, pruned.notifications)
            on_batch(PrunedBatch({"notifications": pruned.notifications, "routes": pruned.routes}, pruned.seen))
        for kind in REPORTED:
            for count in until(stopping, kind.batches(database, keeping)):
                on_batch(PrunedBatch({kind.name: count}))
        if stopping():
            action.outcome = ActionOutcome.INTERRUPTED
    return action.outcome is ActionOutcome.DONE


def until(stopping: Callable[[], bool], batches: Iterator[T]) -> Iterator[T]:
    """Yields batches until there is none, or `stopping` says so before the next one is begun."""
    while not stopping() and (batch := next(batches, None)) is not None:
        yield batch
