"""Carries out changes of many routes in the background, each in a thread of its own (R34).

A change lives in the audit, which every process reads: there its progress is seen, and from there its rest is done if
this process dies. Only to stop it takes the process that carries it out.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from publisher.domain.errors import BadRequest
from publisher.operations.changes.bulk import Batch, Change, Hooks, carry_out
from storage.database import Database

_log = structlog.get_logger()
# More at once would slow each other down.
_MOST = 4
# Of so many failed changes the reason is kept: the audit has none.
_REASONS = 100


@dataclass(eq=False, slots=True)
class _Work:
    """A change that was begun.

    action: the id of its action; None until that is on record.
    begun: becomes the id of the action, or the error that ended the change before.
    stop: set to have it end between two batches. ended: set once it has.
    """

    action: int | None
    begun: "Future[int]" = field(default_factory=Future)
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


class Running:
    """The changes that this process carries out. May be shared by threads.

    database: for the changes alone.
    wake: tells the workers of a channel that routes of it are due; False if it could not.
    """

    def __init__(self, database: Database, wake: Callable[[str], bool]) -> None:
        self._database = database
        self._wake = wake
        self._lock = threading.Lock()
        self._works: list[_Work] = []
        self._reasons: dict[int, str] = {}
        self._closed = False

    def begin(self, change: Change, rate: int | None) -> int:
        """Begins the change, and returns the id of its action as soon as that is on record.

        rate: routes a second at most; None: no limit.
        Raises BadRequest if too many are under way here, if the action to be resumed is, or if that is done by now.
        Raises what PostgreSQL causes before the first batch.
        """
        work = _Work(None if change.resumed is None else change.resumed.id)
        with self._lock:
            self._check_free(work)
            self._works.append(work)
        # A daemon: one that hangs must not keep the process, and its rest can be resumed.
        threading.Thread(target=self._run, args=(change, rate, work), name=change.action, daemon=True).start()
        return work.begun.result()

    def is_here(self, action: int) -> bool:
        """Whether this process carries the action out."""
        return self._find(action) is not None

    def is_stopping(self, action: int) -> bool:
        """Whether the action was told to stop, and has not ended."""
        work = self._find(action)
        return work is not None and work.stop.is_set()

    def reason(self, action: int) -> str | None:
        """Returns why the action failed; None: it did not, or not here, or before the last hundred that did."""
        with self._lock:
            return self._reasons.get(action)

    def stop(self, action: int) -> bool:
        """Stops the action between two batches. Returns False if this process does not carry it out."""
        work = self._find(action)
        if work is not None:
            work.stop.set()
        return work is not None

    def close(self, patience: timedelta) -> None:
        """Begins nothing more, stops all changes between two batches, and waits for so long at most.

        Their rests can be resumed: also of one that did not end in time.
        """
        with self._lock:
            self._closed = True
            works = list(self._works)
        for work in works:
            work.stop.set()
        end = time.monotonic() + patience.total_seconds()
        for work in works:
            work.ended.wait(max(0.0, end - time.monotonic()))

    def _check_free(self, work: _Work) -> None:
        if self._closed:
            raise BadRequest("this process is about to end: ask again once it is back")
        if work.action is not None and any(other.action == work.action for other in self._works):
            raise BadRequest(f"action {work.action} is under way")
        if len(self._works) >= _MOST:
            raise BadRequest(f"{_MOST} changes are under way here: wait until one of them ends, or stop one")

    def _find(self, action: int) -> _Work | None:
        with self._lock:
            return next((work for work in self._works if work.action == action), None)

    def _run(self, change: Change, rate: int | None, work: _Work) -> None:
        def batches(database: Database, action: int, limit: int) -> Iterable[Batch]:
            with self._lock:
                work.action = action
                self._reasons.pop(action, None)
            work.begun.set_result(action)
            return change.batches(database, action, limit)

        def stopping(pause: timedelta) -> bool:
            return work.stop.wait(pause.total_seconds())

        hooks = Hooks(lambda _: None, stopping, self._wake)
        try:
            ended = carry_out(self._database, replace(change, batches=batches), rate, hooks)
            if ended.error is None:
                _log.info("a change ended", action=ended.action, done=ended.done, outcome=ended.outcome)
            else:
                self._keep_reason(ended.action, ended.error)
                _log.warning("a change failed", action=ended.action, done=ended.done, error=str(ended.error))
            if not work.begun.done():
                # Told to stop before its first batch.
                work.begun.set_result(ended.action)
        except Exception as error:  # noqa: BLE001 - raised in the thread that asked, or logged where nobody waits
            if not work.begun.done():
                work.begun.set_exception(error)
                return
            self._keep_reason(work.begun.result(), error)
            _log.exception("a change failed", action=work.action)
        finally:
            with self._lock:
                self._works.remove(work)
            work.ended.set()

    def _keep_reason(self, action: int, error: Exception) -> None:
        with self._lock:
            self._reasons[action] = str(error) or type(error).__name__
            while len(self._reasons) > _REASONS:
                del self._reasons[next(iter(self._reasons))]
