"""Takes delivery events off their stream into PostgreSQL (R32), in a thread beside the one that takes intents.

As the loop of intents it recovers first what was read and not acknowledged, and then reads. Any error of Redis leads
back to recovering.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from publisher.domain.errors import PublisherError
from publisher.intake.event_acceptor import EventAcceptor
from publisher.intake.events_report import report
from publisher.intake.incoming import incoming_event
from publisher.intake.retrying import wait
from publisher.process.telemetry import Telemetry
from publisher.process.watchdog import Watchdog
from publisher.streams.consumer_group import ConsumerGroup, Entry
from publisher.streams.recovery import isolated, left_behind
from storage.database import Database

_log = structlog.get_logger()
_BLOCK = timedelta(seconds=1)
# As for intents: a consumer that has not read for so long belonged to a process that was killed.
_STALE = timedelta(hours=1)


@dataclass(frozen=True)
class EventsOptions:
    """The policy of the intake of delivery events.

    stream: its name, as it is recorded.
    batch: entries a transaction.
    idle: after which time the unacknowledged entries of another consumer are taken over.
    """

    stream: str
    batch: int
    idle: timedelta


class EventsIntake:
    """The consumer-group loop of one process."""

    def __init__(
        self,
        group: ConsumerGroup,
        options: EventsOptions,
        *,
        database: Database,
        telemetry: Telemetry,
        stopping: threading.Event,
        watchdog: Watchdog,
    ) -> None:
        """Opens no connection.

        group: this process's consumer, with a client of its own.
        stopping: set once the process was told to stop.
        watchdog: counts the loop's thread; whoever runs it watches.
        """
        self._group = group
        self._options = options
        self._telemetry = telemetry
        self._stopping = stopping
        self._watchdog = watchdog
        # Whether this consumer may have read from its group, and so has something to leave.
        self._is_member = False
        self._acceptor = EventAcceptor(database, options.stream, stopping, self._hold, watchdog.beat)

    def run(self) -> None:
        """Reads until told to stop.

        A transaction that has begun is finished. Other entries in hand are given back for the next intake, counting no
        delivery; none is lost (R17).
        """
        tries = 0
        with self._watchdog.at_work():
            while self._goes_on():
                try:
                    self._recover()
                    tries = 0
                    self._read()
                except PublisherError as error:
                    tries += 1
                    wait(self._stopping, tries, error)
            if self._is_member:
                self._leave()

    def _recover(self) -> None:
        self._group.create()
        self._is_member = True
        for recovered in left_behind(self._group, self._options.batch, self._options.idle, self._goes_on):
            _warn_of_lost(recovered.trimmed)
            self._group.acknowledge(recovered.trimmed)
            for batch in isolated(recovered.entries):
                self._accept(batch)
        self._group.remove_stale(_STALE)

    def _read(self) -> None:
        looked = time.monotonic()
        while self._goes_on():
            entries = self._group.read(self._options.batch, _BLOCK)
            if entries:
                self._accept(entries)
            if time.monotonic() - looked > self._options.idle.total_seconds() / 2:
                break

    def _accept(self, entries: Sequence[Entry]) -> None:
        """Commits, then reports, then acknowledges (R20)."""
        for entry_ids, taken_in in self._acceptor.commit([incoming_event(entry) for entry in entries]):
            report(taken_in, self._telemetry)
            self._group.acknowledge(entry_ids)

    def _leave(self) -> None:
        try:
            _warn_of_lost(self._group.give_back(self._options.idle))
            self._group.leave()
        except PublisherError as error:
            _log.warning("the consumer stays in its group", consumer=self._group.consumer, error=str(error))

    def _hold(self, entry_ids: Sequence[str]) -> None:
        """Keeps other consumers from taking over the entries in hand while PostgreSQL is away. Best effort."""
        try:
            self._group.hold(entry_ids)
        except PublisherError as error:
            _log.warning("entries in hand may be taken over by another intake", error=error)

    def _goes_on(self) -> bool:
        self._watchdog.beat()
        return not self._stopping.is_set()


def _warn_of_lost(trimmed: Sequence[str]) -> None:
    if trimmed:
        _log.warning("delivery events were removed from the stream before they were taken in", entries=len(trimmed))
