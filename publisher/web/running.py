"""Carries out changes of many routes in the background, each in a thread of its own (R34).

A change lives in the audit, which every process reads: there its progress is seen, and from there its rest is done if
this process dies. Only to stop it takes the process that carries it out.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta

import structlog

from publisher.domain.errors import BadRequest
from publisher.operations.bulk import Batch, Change, Hooks, carry_out
from storage.database import Database

_log = structlog.get_logger()
# More at once would slow each other down.
_MOST = 4


class Running:
    """The changes that this process carries out.

    database: for the changes alone.
    wake: tells the workers of a channel that routes of it are due; False if it could not.
    """

    def __init__(self, database: Database, wake: Callable[[str], bool]) -> None:
        self._database = database
        self._wake = wake
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._stops: dict[int, threading.Event] = {}
        self._ends = threading.Event()

    def begin(self, change: Change, rate: int | None) -> int:
        """Begins the change, and returns the id of its action as soon as that is on record.

        rate: routes a second at most; None: no limit.
        Raises BadRequest if too many are under way or the action to be resumed is done, and what PostgreSQL causes
        before the first batch.
        """
        begun: Future[int] = Future()
        thread = threading.Thread(target=self._run, args=(change, rate, begun), name=change.action, daemon=True)
        with self._lock:
            if self._ends.is_set() or len(self._threads) >= _MOST:
                raise BadRequest(f"{_MOST} changes are under way here: wait until one of them ends, or stop it")
            self._threads.add(thread)
        thread.start()
        return begun.result()

    def is_here(self, action: int) -> bool:
        """Whether this process carries the action out."""
        with self._lock:
            return action in self._stops

    def stop(self, action: int) -> bool:
        """Stops the action between two batches. Returns False if this process does not carry it out."""
        with self._lock:
            stop = self._stops.get(action)
        if stop is not None:
            stop.set()
        return stop is not None

    def close(self, patience: timedelta) -> None:
        """Stops all of them between two batches, and waits for so long at most. Their rests can be resumed."""
        with self._lock:
            self._ends.set()
            stops, threads = list(self._stops.values()), list(self._threads)
        for stop in stops:
            stop.set()
        for thread in threads:
            thread.join(patience.total_seconds() / max(len(threads), 1))

    def _run(self, change: Change, rate: int | None, begun: "Future[int]") -> None:
        stop = threading.Event()

        def batches(database: Database, action: int, limit: int) -> Iterable[Batch]:
            with self._lock:
                self._stops[action] = stop
            begun.set_result(action)
            return change.batches(database, action, limit)

        def stopping(pause: timedelta) -> bool:
            return stop.wait(pause.total_seconds()) or self._ends.is_set()

        try:
            ended = carry_out(
                self._database, replace(change, batches=batches), rate, Hooks(lambda _: None, stopping, self._wake)
            )
            if not begun.done():
                begun.set_result(ended.action)
            _log.info("a change ended", action=ended.action, done=ended.done, outcome=ended.outcome)
        except BaseException as error:  # noqa: BLE001 - whoever asked for the change is told; afterwards it is logged
            if begun.done():
                _log.exception("a change failed", action=change.action)
            else:
                begun.set_exception(error)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
                self._stops = {action: other for action, other in self._stops.items() if other is not stop}
