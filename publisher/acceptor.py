"""Committing what was read: in transactions of a bounded size, as long as it takes, one bad entry never in the way.

PostgreSQL away: wait and try the same again (R20). PostgreSQL refuses a batch: its entries one by one, and the one
that is refused alone is malformed (R21).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import structlog

from publisher.domain.backoff import Backoff
from publisher.domain.errors import DatabaseRefused, PublisherError
from publisher.domain.intent import Malformed, MalformedCode
from storage.database import Database
from storage.intents import Acceptance, IncomingIntent, IncomingMalformed, accept, merged

_log = structlog.get_logger()
Incoming = IncomingIntent | IncomingMalformed
# A transaction of a second or so, also where every intent has a thousand recipients or a payload of its limit.
_ROUTES = 5_000
_BYTES = 8 * 1024 * 1024
# However long a server was away, it is used within five seconds of its return.
_BACKOFF = Backoff(timedelta(milliseconds=100), timedelta(seconds=2))


class Acceptor:
    """Commits entries of one stream. One thread at a time.

    on_wait is called before each wait for PostgreSQL, with the entries in hand; beat before each try.
    """

    def __init__(
        self,
        database: Database,
        stream: str,
        stopping: threading.Event,
        on_wait: Callable[[Sequence[str]], None],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._stream = stream
        self._stopping = stopping
        self._on_wait = on_wait
        self._beat = beat

    def commit(self, entries: Sequence[Incoming]) -> Iterator[tuple[Sequence[Incoming], Acceptance]]:
        """Commits the entries, a transaction at a time; yields each with what became of it.

        Ends early if told to stop while PostgreSQL is away: what was not yielded was not committed, as far as
        anyone knows, and may be committed again.
        """
        for part in _transactions(entries):
            accepted = self._commit(part)
            if accepted is None:
                return
            yield part, accepted

    def _commit(self, entries: Sequence[Incoming]) -> Acceptance | None:
        tries = 0
        while True:
            self._beat()
            try:
                return accept(
                    self._database,
                    self._stream,
                    [entry for entry in entries if isinstance(entry, IncomingIntent)],
                    [entry for entry in entries if isinstance(entry, IncomingMalformed)],
                )
            except DatabaseRefused as error:
                return self._commit_one_by_one(entries, error)
            except PublisherError as error:
                if self._stopping.is_set():
                    return None
                tries += 1
                self._on_wait([entry.entry_id for entry in entries])
                wait(self._stopping, tries, error)

    def _commit_one_by_one(self, entries: Sequence[Incoming], error: DatabaseRefused) -> Acceptance | None:
        if len(entries) == 1:
            return self._commit([_refused(entries[0], error)])
        parts = []
        for entry in entries:
            part = self._commit([entry])
            if part is None:
                return None
            parts.append(part)
        return merged(parts)


def wait(stopping: threading.Event, tries: int, error: PublisherError) -> None:
    """Logs the error and waits before the next try, longer after each, or until told to stop."""
    seconds = _BACKOFF.delay(tries, 0.0).total_seconds()
    _log.warning("intake waits and tries again", seconds=seconds, error=str(error))
    stopping.wait(seconds)


def _refused(entry: Incoming, error: DatabaseRefused) -> IncomingMalformed:
    reason = Malformed(MalformedCode.STORAGE_REFUSED, str(error))
    if isinstance(entry, IncomingIntent):
        return IncomingMalformed(entry.entry_id, entry.raw, reason)
    if not entry.raw:
        raise error
    # Its own fields were refused as well: it is recorded without them. They stand on the stream.
    return IncomingMalformed(entry.entry_id, (), reason)


def _transactions(entries: Sequence[Incoming]) -> Iterator[Sequence[Incoming]]:
    part: list[Incoming] = []
    routes = size = 0
    for entry in entries:
        more_routes = len(entry.routes) if isinstance(entry, IncomingIntent) else 0
        more_bytes = sum(len(name) + len(value) for name, value in entry.raw)
        if part and (routes + more_routes > _ROUTES or size + more_bytes > _BYTES):
            yield part
            part, routes, size = [], 0, 0
        part.append(entry)
        routes, size = routes + more_routes, size + more_bytes
    if part:
        yield part
