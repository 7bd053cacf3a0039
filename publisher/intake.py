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
from publisher.domain.errors import DatabaseRefused, PublisherError, Refused, Unavailable
from publisher.domain.intent import Malformed, MalformedCode, parse_intent, plan_routes
from publisher.streams.inbound import Entry, IntentsGroup, Recovered
from storage.intents import Acceptance, IncomingIntent, IncomingMalformed, accept

_log = structlog.get_logger()
_BLOCK = timedelta(seconds=1)
_DELIVERY_LIMIT = 5
_BACKOFF = (0.1, 5.0)


@dataclass(frozen=True)
class IntakeOptions:
    """stream: the intents stream, as recorded. batch: entries a transaction. idle: when another consumer's
    unacknowledged entries count as left behind."""

    stream: str
    batch: int
    idle: timedelta


class Intake:
    """The consumer-group loop of one process."""

    def __init__(self, context: Context, group: IntentsGroup, options: IntakeOptions) -> None:
        self._context = context
        self._group = group
        self._options = options
        self._stopping = context.stopping

    def run(self) -> None:
        """Reads until told to stop. Entries in hand then are finished or left unacknowledged; none is lost."""
        tries = 0
        while not self._stopping.is_set():
            try:
                self._recover()
                tries = 0
                self._read()
            except PublisherError as error:
                self._wait(tries, error)
                tries += 1
        try:
            self._group.leave()
        except PublisherError as error:
            _log.warning("the consumer stays in its group", consumer=self._group.consumer, error=str(error))

    def _recover(self) -> None:
        """Accepts everything that was read before and not acknowledged: first one's own, then others'."""
        self._group.create()
        for recovered in self._left_behind():
            if recovered.trimmed:
                _log.error("intents were trimmed from the stream unread: lost", entries=list(recovered.trimmed))
                self._context.telemetry.intents("trimmed", len(recovered.trimmed))
                self._group.acknowledge(recovered.trimmed)
            for batch in _isolated(recovered.entries):
                self._accept(batch)

    def _left_behind(self) -> Iterator[Recovered]:
        more = True
        while more and not self._stopping.is_set():
            recovered = self._group.recover_own(self._options.batch)
            yield recovered
            more = recovered.more
        yield from self._left_by_others()

    def _left_by_others(self) -> Iterator[Recovered]:
        more = True
        while more and not self._stopping.is_set():
            recovered = self._group.recover_others(self._options.batch, self._options.idle)
            yield recovered
            more = recovered.more

    def _read(self) -> None:
        looked = time.monotonic()
        while not self._stopping.is_set():
            entries = self._group.read(self._options.batch, _BLOCK)
            if entries:
                self._accept(entries)
            if time.monotonic() - looked > self._options.idle.total_seconds() / 2:
                return

    def _accept(self, entries: Sequence[Entry]) -> None:
        """Commits, then tells the workers, then acknowledges (R20)."""
        parsed = [self._parsed(entry) for entry in entries]
        intents = [p for p in parsed if isinstance(p, IncomingIntent)]
        malformed = [p for p in parsed if isinstance(p, IncomingMalformed)]
        accepted = self._commit(intents, malformed)
        if accepted is None:
            return
        for channel, ids in accepted.due.items():
            for start in range(0, len(ids), self._options.batch):
                as_hint(send_publish, channel, ids[start : start + self._options.batch])
        self._group.acknowledge([entry.id for entry in entries])
        self._tell(accepted)

    def _parsed(self, entry: Entry) -> IncomingIntent | IncomingMalformed:
        if entry.deliveries > _DELIVERY_LIMIT:
            poison = Malformed(
                MalformedCode.POISON,
                f"given to a consumer {entry.deliveries} times and never acknowledged: it may kill its reader",
            )
            return IncomingMalformed(entry.id, entry.fields, poison)
        intent = parse_intent(entry.fields, self._context.channels)
        if isinstance(intent, Malformed):
            return IncomingMalformed(entry.id, entry.fields, intent)
        return IncomingIntent(entry.id, entry.fields, intent, plan_routes(intent, self._context.channels))

    def _commit(self, intents: Sequence[IncomingIntent], malformed: Sequence[IncomingMalformed]) -> Acceptance | None:
        """The batch recorded; waits as long as PostgreSQL is away (R20). None if told to stop meanwhile."""
        tries = 0
        while True:
            try:
                return accept(self._context.database, self._options.stream, intents, malformed)
            except DatabaseRefused as error:
                return self._commit_one_by_one(intents, malformed, error)
            except PublisherError as error:
                if self._stopping.is_set():
                    return None
                self._wait(tries, error)
                tries += 1

    def _commit_one_by_one(
        self,
        intents: Sequence[IncomingIntent],
        malformed: Sequence[IncomingMalformed],
        error: DatabaseRefused,
    ) -> Acceptance | None:
        """One entry that PostgreSQL refuses never spoils its batch (R21): alone, it is malformed."""
        if len(intents) + len(malformed) == 1:
            if malformed:
                raise error
            refused = Malformed(MalformedCode.STORAGE_REFUSED, str(error))
            return self._commit([], [IncomingMalformed(intents[0].entry_id, intents[0].raw, refused)])
        parts = [self._commit([i], []) for i in intents] + [self._commit([], [m]) for m in malformed]
        done = [part for part in parts if part is not None]
        if len(done) < len(parts):
            return None
        due: dict[str, list[int]] = {}
        for part in done:
            for channel, ids in part.due.items():
                due.setdefault(channel, []).extend(ids)
        return Acceptance(
            [i for part in done for i in part.accepted],
            [i for part in done for i in part.duplicates],
            [m for part in done for m in part.malformed],
            due,
        )

    def _tell(self, accepted: Acceptance) -> None:
        telemetry = self._context.telemetry
        for rejected in accepted.malformed:
            _log.warning(
                "malformed intent",
                stream_entry_id=rejected.entry_id,
                failure_code=rejected.malformed.code.value,
                failure_message=rejected.malformed.message,
            )
        conflicts = sum(m.malformed.code is MalformedCode.IDEMPOTENCY_CONFLICT for m in accepted.malformed)
        telemetry.intents("accepted", len(accepted.accepted))
        telemetry.intents("duplicate", len(accepted.duplicates))
        telemetry.intents("conflict", conflicts)
        telemetry.intents("malformed", len(accepted.malformed) - conflicts)
        if accepted.accepted or accepted.duplicates:
            routes = sum(len(i.routes) for i in accepted.accepted)
            _log.info(
                "intents accepted",
                intents=len(accepted.accepted),
                routes=routes,
                duplicates=len(accepted.duplicates),
            )

    def _wait(self, tries: int, error: PublisherError) -> None:
        least, most = _BACKOFF
        seconds = min(most, least * 2**tries)
        if isinstance(error, (Unavailable, Refused)):
            _log.warning("intake waits and tries again", seconds=seconds, error=str(error))
        else:
            _log.error("intake waits and tries again", seconds=seconds, error=str(error))
        self._stopping.wait(seconds)


def _isolated(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Entries given out before go one at a time: one that kills its reader takes no neighbour along."""
    fresh = [entry for entry in entries if entry.deliveries <= 1]
    if fresh:
        yield fresh
    for entry in entries:
        if entry.deliveries > 1:
            yield [entry]
