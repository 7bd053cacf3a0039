"""Intake: from the intents stream into PostgreSQL, and a message for what can be published at once (R18–R21).

The loop has two states. Recovering: it reads what it or a dead consumer had read and not acknowledged. Reading:
it waits for new entries. Any error on the Redis side leads back to recovering, since a lost reply may have left
entries in the pending list. PostgreSQL's absence leads nowhere: the batch in hand is kept and tried again.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from actors.context import Context
from actors.routes import as_hint, send_publish
from publisher.domain.errors import PublisherError
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.intake.acceptor import Acceptor, wait
from publisher.intake.incoming import incoming
from publisher.intake.marking import Marking, MarkingOptions
from publisher.intake.replay import IntentsReplay
from publisher.streams.consumer_group import Entry, Recovered
from publisher.streams.intents import IntentsGroup
from publisher.streams.intents_losses import keep_pending_loss
from storage.intents import Acceptance, IncomingIntent
from storage.malformed_records import IncomingMalformed

_log = structlog.get_logger()
_BLOCK = timedelta(seconds=1)
# While a replay has more to do, new entries are looked for, and not waited for.
_GLANCE = timedelta(milliseconds=1)
# A consumer reads each second while it lives: one that has not for so long belonged to a process that was killed.
_STALE = timedelta(hours=1)
_DELIVERY_LIMIT = 5


@dataclass(frozen=True)
class IntakeOptions:
    """stream: the intents stream, as recorded. batch: entries a transaction. idle: when another consumer's
    unacknowledged entries count as left behind. lease: of a route, and of a replay. dedup_window: how long the witness
    of a command lives."""

    stream: str
    batch: int
    idle: timedelta
    lease: timedelta = timedelta(seconds=30)
    dedup_window: timedelta = timedelta(hours=1)


class Intake:
    """The consumer-group loop of one process."""

    def __init__(self, context: Context, group: IntentsGroup, options: IntakeOptions) -> None:
        self._context = context
        self._group = group
        self._options = options
        self._stopping = context.stopping
        self._beat = context.watchdog.beat
        self._acceptor = Acceptor(context.database, options.stream, context.stopping, self._hold, self._beat)
        self._marking = self._make_marking()

    def run(self) -> None:
        """Reads until told to stop. A transaction that has begun is finished; what is in hand besides is given back
        for the next intake, counting no delivery (R17). None is lost."""
        with self._context.watchdog.watched("intake"), self._context.watchdog.at_work():
            self._run()

    def _run(self) -> None:
        tries = 0
        while not self._stopping.is_set():
            self._beat()
            try:
                self._recover()
                tries = 0
                self._read()
            except PublisherError as error:
                tries += 1
                wait(self._stopping, tries, error)
        try:
            self._lost(self._group.give_back(self._options.idle))
            self._group.leave()
            self._marking.leave()
        except PublisherError as error:
            _log.warning("the consumer stays in its group", consumer=self._group.consumer, error=str(error))

    def _recover(self) -> None:
        """Accepts everything that was read before and not acknowledged: first one's own, then others'."""
        self._group.create()
        for recovered in self._left_behind():
            if recovered.trimmed:
                self._lost(recovered.trimmed)
                self._group.acknowledge(recovered.trimmed)
            for batch in _isolated(recovered.entries):
                self._accept(batch)
        self._group.remove_stale(_STALE)

    def _lost(self, trimmed: Sequence[str]) -> None:
        if trimmed:
            keep_pending_loss(self._context.redis, self._options.stream, trimmed)
            self._marking.tell_losses()

    def _left_behind(self) -> Iterator[Recovered]:
        more = True
        while more and not self._stopping.is_set():
            self._beat()
            recovered = self._group.recover_own(self._options.batch)
            yield recovered
            more = recovered.more
        yield from self._left_by_others()

    def _left_by_others(self) -> Iterator[Recovered]:
        more = True
        while more and not self._stopping.is_set():
            self._beat()
            # One at a time: taking an entry over counts a delivery, and only the one at work may deserve it.
            recovered = self._group.recover_others(1, self._options.idle)
            yield recovered
            more = recovered.more

    def _read(self) -> None:
        looked = time.monotonic()
        while not self._stopping.is_set():
            self._beat()
            replaying = self._marking.step()
            entries = self._group.read(self._options.batch, _GLANCE if replaying else _BLOCK)
            if entries:
                self._accept(entries)
            if time.monotonic() - looked > self._options.idle.total_seconds() / 2:
                return

    def _accept(self, entries: Sequence[Entry]) -> None:
        """Commits, then tells the workers, then acknowledges (R20).

        What was committed is logged and counted before it is acknowledged: if that fails, the entries come again, and
        are then found as their own.
        """
        for part, accepted in self._acceptor.commit([self._parsed(entry) for entry in entries]):
            self._tell_workers(accepted)
            self._tell(accepted)
            self._group.acknowledge([entry.entry_id for entry in part])

    def _tell_workers(self, accepted: Acceptance) -> None:
        size = self._options.batch
        for channel, ids in accepted.due.items():
            for start in range(0, len(ids), size):
                self._beat()
                if not as_hint(send_publish, channel, ids[start : start + size]):
                    # Each of the others would wait as long for the same Redis; the scan finds them all.
                    return

    def _hold(self, entry_ids: Sequence[str]) -> None:
        """Keeps entries in hand from being taken over, while PostgreSQL is away. Best effort."""
        try:
            self._group.hold(entry_ids)
        except PublisherError as error:
            _log.warning("entries in hand may be taken over by another intake", error=str(error))

    def _parsed(self, entry: Entry) -> IncomingIntent | IncomingMalformed:
        if entry.deliveries > _DELIVERY_LIMIT:
            poison = Rejection(
                RejectionCode.POISON,
                f"given to a consumer {entry.deliveries} times and never acknowledged: it may kill its reader",
            )
            return IncomingMalformed(entry.id, entry.fields, poison)
        return incoming(entry, self._context.channels)

    def _make_marking(self) -> Marking:
        context, options = self._context, self._options
        # No hold: what is replayed is in nobody's hand.
        acceptor = Acceptor(context.database, options.stream, context.stopping, lambda _: None, self._beat)
        replay = IntentsReplay(
            context.database, options.stream, self._group, acceptor, self._parsed, self._tell_of_replayed
        )
        return Marking(
            context.database,
            context.redis,
            replay,
            context.telemetry,
            MarkingOptions(
                options.stream,
                context.intents_group,
                self._group.consumer,
                batch=options.batch,
                lease=options.lease,
                dedup_window=options.dedup_window,
            ),
        )

    def _tell_of_replayed(self, accepted: Acceptance) -> None:
        self._tell_workers(accepted)
        _warn_of(_new_malformed(accepted))

    def _tell(self, accepted: Acceptance) -> None:
        """Logs and counts what is new. What an entry had left before was told by whoever left it."""
        telemetry = self._context.telemetry
        malformed = _new_malformed(accepted)
        duplicates = sum(i.entry_id not in accepted.again for i in accepted.duplicates)
        _warn_of(malformed)
        conflicts = sum(m.malformed.code is RejectionCode.IDEMPOTENCY_CONFLICT for m in malformed)
        telemetry.intents("accepted", len(accepted.accepted))
        telemetry.intents("duplicate", duplicates)
        telemetry.intents("conflict", conflicts)
        telemetry.intents("malformed", len(malformed) - conflicts)
        if accepted.accepted or duplicates:
            routes = sum(len(i.routes) for i in accepted.accepted)
            _log.info("intents accepted", intents=len(accepted.accepted), routes=routes, duplicates=duplicates)
        if accepted.again:
            _log.info("entries that were done and not acknowledged came again", entries=len(accepted.again))


def _new_malformed(accepted: Acceptance) -> list[IncomingMalformed]:
    return [m for m in accepted.malformed if m.entry_id not in accepted.again]


def _warn_of(malformed: Sequence[IncomingMalformed]) -> None:
    for rejected in malformed:
        _log.warning(
            "malformed intent",
            stream_entry_id=rejected.entry_id,
            failure_code=rejected.malformed.code.value,
            failure_message=rejected.malformed.message,
        )


def _isolated(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Entries given out before go one at a time: one that kills its reader takes no neighbour along."""
    fresh = [entry for entry in entries if entry.deliveries <= 1]
    if fresh:
        yield fresh
    for entry in entries:
        if entry.deliveries > 1:
            yield [entry]
