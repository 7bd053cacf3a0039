"""One look at everything, cheap enough for every second: what happens now, and not how much there ever was."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import redis

from publisher.domain.errors import PublisherError
from publisher.domain.gate import Gate
from publisher.streams.inbound import GroupState, group_state
from publisher.streams.processes import ProcessRegister, ProcessSeen
from storage.audit_states import AuditState, audit_states
from storage.counts import OpenRoutes, open_routes
from storage.database import Database
from storage.failures import FailureRecord, recent_failures
from storage.gates import read_gates
from storage.rates import Happened, Mark, before, happened_between, mark

# Looks further apart than this have nothing to do with each other: the next counts a first look's window again.
_LONGEST = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class StoreLook:
    """What PostgreSQL says, each mapping by channel, what is missing being none. at: by its clock.

    channels: all there is anything to say of. span: the time in which it happened. failures: newest first.
    """

    at: datetime
    channels: Sequence[str]
    span: timedelta
    happened: Mapping[str, Happened]
    open: Mapping[str, OpenRoutes]
    gates: Mapping[str, Gate]
    audits: Mapping[str, AuditState]
    failures: Sequence[FailureRecord]


@dataclass(frozen=True, slots=True)
class StreamsLook:
    """What Redis says."""

    intents: GroupState
    processes: Sequence[ProcessSeen]


@dataclass(frozen=True, slots=True)
class Frame:
    """Both, or in the place of one why it could not be had. at: by this machine's clock."""

    at: datetime
    store: StoreLook | PublisherError
    streams: StreamsLook | PublisherError


class Watcher:
    """Looks again and again, and remembers up to where it has counted. One thread at a time."""

    def __init__(
        self, database: Database, client: redis.Redis, *, channels: Collection[str], stream: str, group: str
    ) -> None:
        """channels: those that are installed. stream, group: of the intents."""
        self._database = database
        self._client = client
        self._register = ProcessRegister(client)
        self._channels = channels
        self._intents = stream, group
        self._counted: Mark | None = None

    def look(self, failures: int = 5) -> Frame:
        """A frame, with so many of the newest failures. Never raises for a server that is away: the frame says so."""
        store: StoreLook | PublisherError
        streams: StreamsLook | PublisherError
        try:
            store = self._store(failures)
        except PublisherError as error:
            store = error
        try:
            streams = StreamsLook(group_state(self._client, *self._intents), self._register.seen())
        except PublisherError as error:
            streams = error
        return Frame(datetime.now(UTC), store, streams)

    def _store(self, failures: int) -> StoreLook:
        last = mark(self._database)
        first = self._counted
        if first is None or not timedelta(0) < last.until - first.until <= _LONGEST:
            first = before(last)
        opened = open_routes(self._database)
        gates = read_gates(self._database)
        known = sorted({*self._channels, *opened, *gates})
        happened = happened_between(self._database, first, last, known)
        newest = recent_failures(self._database, failures)
        self._counted = last
        return StoreLook(
            at=last.at,
            channels=sorted({*known, *happened}),
            span=last.until - first.until,
            happened=happened,
            open=opened,
            gates=gates,
            audits=audit_states(self._database, known),
            failures=newest,
        )
