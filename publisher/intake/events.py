"""Takes delivery events off their stream into PostgreSQL (R32), in a thread beside the one that takes intents."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from publisher.intake.event_acceptor import EventAcceptor
from publisher.intake.events_report import report
from publisher.intake.group_loop import GroupLoop
from publisher.intake.incoming import incoming_event
from publisher.process.spans import received
from publisher.process.telemetry import Telemetry
from publisher.process.watchdog import Watchdog
from publisher.streams.consumer_group import ConsumerGroup, Entry
from storage.database import Database

_log = structlog.get_logger()
_BLOCK = timedelta(seconds=1)


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
        self._loop = GroupLoop(group, options.batch, options.idle, stopping, watchdog)
        self._acceptor = EventAcceptor(
            database, options.stream, stopping, self._loop.hold, watchdog.beat, telemetry.spans
        )

    def run(self) -> None:
        """Reads until told to stop.

        A transaction that has begun is finished. Other entries in hand are given back for the next intake, counting no
        delivery; none is lost (R17).
        """
        self._loop.run(take=self._accept, read=self._read, on_lost=_warn_of_lost)

    def _read(self) -> None:
        for _ in self._loop.rounds():
            if entries := self._group.read(self._options.batch, _BLOCK):
                self._accept(entries)

    def _accept(self, entries: Sequence[Entry]) -> None:
        """Commits, then reports, then acknowledges (R20)."""
        with received(self._telemetry.spans, self._options.stream, len(entries)):
            for entry_ids, taken_in in self._acceptor.commit([incoming_event(entry) for entry in entries]):
                report(taken_in, self._telemetry)
                self._group.acknowledge(entry_ids)


def _warn_of_lost(entry_ids: Sequence[str]) -> None:
    _log.warning("delivery events were removed from the stream before they were taken in", entries=len(entry_ids))
