"""A change of many routes: in small batches at a pace, each counted in the audit with it, so that it can be resumed.

Counting what matches makes a Change, and changes nothing. `carry_out` does it and returns how it ended: Ctrl-C, a stop
between two batches and an error are all values, and leave an action on record that goes on with its rest.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from publisher.domain.errors import PublisherError
from publisher.operations.changes.audited import RunningAction, audited
from publisher.operations.changes.pace import Pace
from storage.actions import ActionOutcome, ActionRecord, find_action
from storage.database import Database

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["ActionOutcome", "Batch", "Change", "Ended", "Hooks", "carry_out", "filter_of", "target_of"]

F = TypeVar("F", bound="DataclassInstance")

# A worker that is told more often finds nothing more.
_BETWEEN_WAKES = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """A committed batch.

    changed: how many routes of each channel it changed.
    more: whether another batch may follow.
    """

    changed: Mapping[str, int]
    more: bool

    @property
    def count(self) -> int:
        """How many routes it changed."""
        return sum(self.changed.values())


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was counted, and not begun.

    action: the name of its kind in the audit.
    by: the operator.
    target: the filter, as the audit keeps it.
    matched: how many routes are to be changed.
    batches: changes at most `limit` routes at each step, and counts them in the action: (database, action id, limit).
    resumed: the action whose rest this is; None for a new one.
    past_deadline: counts the routes that would match but for their deadline; None where nobody asks.
    makes_due: whether the routes are due after it, so that workers are woken.
    """

    action: str
    by: str
    target: Mapping[str, object]
    matched: int
    batches: Callable[[Database, int, int], Iterable[Batch]]
    resumed: ActionRecord | None = None
    past_deadline: Callable[[], int] | None = None
    makes_due: bool = True


@dataclass(frozen=True, slots=True)
class Hooks:
    """The caller's part in a change; each is called between two batches, in the caller's thread.

    on_batch: told how many routes a batch changed.
    stopping: waits for the given time at most, and returns True as soon as the change is to stop.
    wake: tells the workers of a channel that routes of it are due; False if it could not, and is not to be asked again.
    """

    on_batch: Callable[[int], None]
    stopping: Callable[[timedelta], bool]
    wake: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a change ended.

    action: the id of its action, by which its rest is done later.
    matched, done: routes that the action is about, and those changed by it, by all who carried it out.
    outcome: done, interrupted or failed.
    error: why it failed; None if it did not.
    """

    action: int
    matched: int
    done: int
    outcome: ActionOutcome
    error: PublisherError | None = None


def target_of(matching: "DataclassInstance") -> dict[str, object]:
    """The fields that are given in a filter, as the audit keeps them."""
    given = {f.name: getattr(matching, f.name) for f in fields(matching) if getattr(matching, f.name) != f.default}
    return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in given.items()}


def filter_of(kind: type[F], target: Mapping[str, Any]) -> F:
    """The filter that the audit keeps."""
    given = {f.name: target[f.name] for f in fields(kind) if f.name in target}
    return kind(**{name: datetime.fromisoformat(v) if name in {"since", "until"} else v for name, v in given.items()})


def carry_out(database: Database, change: Change, rate: int | None, hooks: Hooks) -> Ended:
    """Makes the change batch by batch under an action in the audit.

    It stops between two batches: when `stopping` says so, or at a KeyboardInterrupt, which is not raised on. An error
    of a batch is returned as `error`. An error of recording the end is dropped: each batch was counted with its change.
    Workers are woken once a second, and at the end.

    rate: routes a second at most; None: no limit.
    Raises BadRequest if the action to be resumed is done by now, and whatever PostgreSQL causes before the first batch.
    """
    action: RunningAction | None = None
    done = 0 if change.resumed is None else change.resumed.done
    try:
        with audited(
            database, change.action, change.by, change.target, change.matched, resumed=change.resumed, must_end=False
        ) as action:
            try:
                with _Waking(hooks.wake) as waking:
                    for batch in _paced(database, change, action.id, Pace(rate), hooks.stopping):
                        done += batch.count
                        hooks.on_batch(batch.count)
                        if change.makes_due:
                            waking.of(batch.changed)
            except (_Stopped, KeyboardInterrupt):
                action.outcome = ActionOutcome.INTERRUPTED
    except PublisherError as error:
        if action is None:
            raise
        return Ended(action.id, change.matched, done, ActionOutcome.FAILED, error)
    record = find_action(database, action.id)
    return Ended(action.id, record.matched, record.done, action.outcome)


class _Stopped(Exception):
    """The change was told to stop."""


def _paced(
    database: Database, change: Change, action_id: int, pace: Pace, stopping: Callable[[timedelta], bool]
) -> Iterator[Batch]:
    """Yields each batch once it is committed, and waits after it as the pace says. Raises _Stopped."""
    if stopping(timedelta(0)):
        raise _Stopped
    began = time.monotonic()
    for batch in change.batches(database, action_id, pace.batch):
        spent = timedelta(seconds=time.monotonic() - began)
        yield batch
        if batch.more and stopping(pace.pause(batch.count, spent)):
            raise _Stopped
        began = time.monotonic()


class _Waking:
    """Wakes the workers of changed channels, at most once a second, and at the end.

    A hint: once one could not be sent, the scans do without the others (R14).
    """

    def __init__(self, wake: Callable[[str], bool]) -> None:
        self._wake = wake
        self._channels: set[str] = set()
        self._last = 0.0
        self._sends = True

    def __enter__(self) -> "_Waking":
        return self

    def __exit__(self, *_: object) -> None:
        self._send()

    def of(self, channels: Iterable[str]) -> None:
        """Notes that routes of these channels are due."""
        self._channels.update(channels)
        if time.monotonic() - self._last >= _BETWEEN_WAKES:
            self._send()

    def _send(self) -> None:
        while self._channels and self._sends:
            self._sends = self._wake(self._channels.pop())
        self._last = time.monotonic()
