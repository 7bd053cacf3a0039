"""Takes intents off their stream into PostgreSQL, and tells the workers which routes are due at once (R18–R21).

While PostgreSQL is away the loop keeps the batch in hand and tries again.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from publisher.domain.channel import Channel
from publisher.domain.traceparent import parse_traceparent
from publisher.intake.acceptor import Acceptor, Incoming
from publisher.intake.group_loop import GroupLoop
from publisher.intake.handing_over import HandingOver
from publisher.intake.incoming import incoming
from publisher.intake.marking import Marking, MarkingOptions
from publisher.intake.read_ahead import ReadAhead
from publisher.intake.replay import IntentsReplay
from publisher.intake.report import report, warn_of_malformed
from publisher.intake.telling import Send, Telling
from publisher.process.spans import received
from publisher.process.telemetry import Telemetry
from publisher.process.watchdog import Watchdog
from publisher.streams.consumer_group import Entry
from publisher.streams.intents import IntentsGroup
from publisher.streams.intents_losses import keep_pending_loss
from publisher.streams.servers.stream_servers import StreamServers
from storage.accepting.intents import Acceptance, IncomingIntent
from storage.database import Database

_log = structlog.get_logger()
_BLOCK = timedelta(seconds=1)
# While a replay has more to do, new entries are looked for, and not waited for.
_GLANCE = timedelta(milliseconds=1)


@dataclass(frozen=True)
class IntakeOptions:
    """The policy of intake.

    stream: name of the intents stream, as it is recorded.
    batch: entries a transaction, and routes a message to the workers.
    idle: after which time the unacknowledged entries of another consumer are taken over.
    lease: how long a route, or a replay of intents, is one process's own.
    dedup_window: how long the witness of a command lives.
    handover: how long the lease of a handover lasts; 0: nothing is handed over.
    """

    stream: str
    batch: int
    idle: timedelta
    lease: timedelta = timedelta(seconds=30)
    dedup_window: timedelta = timedelta(hours=1)
    handover: timedelta = timedelta(0)


class Intake:
    """The consumer-group loop of one process."""

    def __init__(
        self,
        group: IntentsGroup,
        options: IntakeOptions,
        *,
        database: Database,
        servers: StreamServers,
        channels: Mapping[str, Channel],
        telemetry: Telemetry,
        send: Send,
        waiting: Callable[[str], int],
        stopping: threading.Event,
        watchdog: Watchdog,
    ) -> None:
        """Opens no connection.

        group: this process's consumer, with a client of its own.
        servers: for what else is kept beside the stream.
        send: sends the workers messages about new routes.
        waiting: returns how many messages waited in a channel's queue when the last one was put there.
        stopping: set once the process was told to stop.
        watchdog: counts the loop's thread; whoever runs it watches.
        """
        self._group = group
        self._options = options
        self._database = database
        self._servers = servers
        self._parsed = partial(incoming, channels=channels)
        self._telemetry = telemetry
        self._tell = Telling(database, options.batch, send)
        self._stopping = stopping
        self._beat = watchdog.beat
        self._loop = GroupLoop(group, options.batch, options.idle, stopping, watchdog)
        handing_over = HandingOver(channels, options.handover, waiting)
        self._acceptor = Acceptor(
            database, options.stream, stopping, self._hold, self._beat, handing_over, telemetry.spans
        )
        self._ahead = ReadAhead(self._read_parsed)
        self._marking = self._make_marking()

    def run(self) -> None:
        """Reads until told to stop.

        A transaction that has begun is finished. Other entries in hand are given back for the next intake, counting no
        delivery; none is lost (R17).
        """
        self._loop.run(take=self._take, read=self._read, on_lost=self._lost, on_leave=self._marking.leave)

    def _take(self, entries: Sequence[Entry]) -> None:
        self._accept([self._parsed(entry) for entry in entries], self._group.acknowledge)

    def _lost(self, entry_ids: Sequence[str]) -> None:
        keep_pending_loss(self._servers.of(self._options.stream), self._options.stream, entry_ids)
        self._marking.tell_losses()

    def _read(self) -> None:
        with self._ahead.reading():
            for _ in self._loop.rounds():
                replaying = self._marking.step()
                entries = self._ahead.next(_GLANCE if replaying else _BLOCK)
                if len(entries) == self._options.batch:
                    self._ahead.begin()
                if entries:
                    self._accept(entries, self._group.acknowledge_later)
        self._group.acknowledge_done()

    def _read_parsed(self, block: timedelta) -> Sequence[Incoming]:
        return [self._parsed(entry) for entry in self._group.read(self._options.batch, block)]

    def _accept(self, entries: Sequence[Incoming], acknowledge: Callable[[Sequence[str]], None]) -> None:
        """Commits, then tells the workers, then acknowledges (R20).

        What was committed is logged and counted before it is acknowledged: if that fails, the entries come again, and
        are then found as their own.
        """
        with received(self._telemetry.spans, self._options.stream, len(entries)) as span:
            if self._telemetry.spans.is_on:
                span.link(parse_traceparent(e.intent.trace_id) for e in entries if isinstance(e, IncomingIntent))
            for part, accepted in self._acceptor.commit(entries):
                self._tell(accepted)
                report(accepted, self._telemetry)
                self._ahead.in_hand()
                acknowledge([entry.entry_id for entry in part])

    def _hold(self, entry_ids: Sequence[str]) -> None:
        ahead = [entry.entry_id for entry in self._ahead.in_hand()]
        self._loop.hold([*entry_ids, *ahead])

    def _make_marking(self) -> Marking:
        options = self._options
        # No hold: an entry that is replayed is pending with nobody.
        acceptor = Acceptor(self._database, options.stream, self._stopping, lambda _: None, self._beat)
        replay = IntentsReplay(
            self._database, options.stream, self._group, acceptor, self._parsed, self._tell_of_replayed
        )
        return Marking(
            self._database,
            self._servers,
            replay,
            self._telemetry,
            MarkingOptions(
                options.stream,
                self._group.group,
                self._group.consumer,
                batch=options.batch,
                lease=options.lease,
                dedup_window=options.dedup_window,
            ),
        )

    def _tell_of_replayed(self, accepted: Acceptance) -> None:
        self._tell(accepted)
        warn_of_malformed(accepted)
