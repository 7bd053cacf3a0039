"""The loop of one consumer of a group: it takes in what was read and not acknowledged, and then reads (R17, R20).

The loop has two states. Recovering: it takes in entries that it or a dead consumer has read and not acknowledged.
Reading: it waits for new entries. Any error of Redis leads back to recovering, since a lost reply may have left entries
in the pending list.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import structlog

from publisher.domain.errors import PublisherError
from publisher.intake.retrying import INTAKE
from publisher.process.next_try import wait_for_next_try
from publisher.process.watchdog import Watchdog
from publisher.streams.consumer_group import ConsumerGroup, Entry
from publisher.streams.recovery import isolated, left_behind

_log = structlog.get_logger()
# A consumer reads every few seconds while it lives: one that has not for so long belonged to a process that was killed.
_STALE = timedelta(hours=1)


class GroupLoop:
    """The loop of one process on one stream. One thread at a time."""

    def __init__(
        self, group: ConsumerGroup, batch: int, idle: timedelta, stopping: threading.Event, watchdog: Watchdog
    ) -> None:
        """Opens no connection.

        group: this process's consumer.
        batch: how many entries that were read are taken up again at a time.
        idle: after which time the unacknowledged entries of another consumer are taken over.
        stopping: set once the process was told to stop.
        watchdog: counts the loop's thread; whoever runs it watches.
        """
        self._group = group
        self._batch = batch
        self._idle = idle
        self._stopping = stopping
        self._watchdog = watchdog
        # Whether this consumer may have read from its group, and so has something to leave.
        self._is_member = False

    def run(
        self,
        *,
        take: Callable[[Sequence[Entry]], None],
        read: Callable[[], None],
        on_lost: Callable[[Sequence[str]], None],
        on_leave: Callable[[], None] = lambda: None,
    ) -> None:
        """Recovers and reads until told to stop. Then the entries in hand are given back, counting no delivery (R17).

        take: takes in and acknowledges entries that were left behind. It may be called with them again.
        read: takes in and acknowledges new entries, a batch in each of `rounds`.
        on_lost: called with the ids of pending entries that were removed from the stream.
        on_leave: called once the consumer has left its group.
        """
        tries = 0
        with self._watchdog.at_work():
            while self._goes_on():
                try:
                    self._recover(take, on_lost)
                    tries = 0
                    read()
                except PublisherError as error:
                    tries += 1
                    wait_for_next_try(INTAKE, self._stopping, tries, error)
            if self._is_member:
                self._leave(on_lost, on_leave)

    def rounds(self) -> Iterator[None]:
        """Yields again and again until told to stop, or until it is time to look for what dead consumers have left."""
        looked = time.monotonic()
        while self._goes_on():
            yield
            if time.monotonic() - looked > self._idle.total_seconds() / 2:
                break

    def hold(self, entry_ids: Sequence[str]) -> None:
        """Keeps other consumers from taking over the entries in hand while PostgreSQL is away. Best effort."""
        try:
            self._group.hold(entry_ids)
        except PublisherError as error:
            _log.warning("entries in hand may be taken over by another intake", error=error)

    def _recover(self, take: Callable[[Sequence[Entry]], None], on_lost: Callable[[Sequence[str]], None]) -> None:
        """Takes in entries that were read and not acknowledged: first this consumer's own, then those of dead ones."""
        self._group.create()
        self._is_member = True
        for found in left_behind(self._group, self._batch, self._idle, self._goes_on):
            if found.trimmed:
                on_lost(found.trimmed)
                self._group.acknowledge(found.trimmed)
            for batch in isolated(found.entries, self._batch):
                take(batch)
        self._group.remove_stale(_STALE)

    def _leave(self, on_lost: Callable[[Sequence[str]], None], on_leave: Callable[[], None]) -> None:
        try:
            if trimmed := self._group.give_back(self._idle):
                on_lost(trimmed)
            self._group.leave()
            on_leave()
        except PublisherError as error:
            _log.warning("the consumer stays in its group", consumer=self._group.consumer, error=str(error))

    def _goes_on(self) -> bool:
        self._watchdog.beat()
        return not self._stopping.is_set()
