"""Commits entries of the intents stream to PostgreSQL, in transactions of a bounded size.

While PostgreSQL is away, the acceptor waits and tries the same again (R20). If PostgreSQL refuses a batch, its entries
are committed one by one, and an entry that is refused alone is recorded as malformed (R21). If that record is refused
as well, it is written in ASCII alone. If even that is refused, no value is at fault, and the acceptor waits (R19a).
"""

import threading
from collections.abc import Callable, Iterator, Sequence

from publisher.domain.errors import DatabaseRefused
from publisher.intake.retrying import Retrying, plainer, refused
from publisher.process.spans import NO_SPANS, Spans
from storage.accepting.intents import Acceptance, IncomingIntent, accept_new, cancel, compare_known, reject
from storage.cancelling.cancellations import IncomingCancellation
from storage.claiming.handover import Handover
from storage.database import Database
from storage.malformed.recording import IncomingMalformed

Incoming = IncomingIntent | IncomingCancellation | IncomingMalformed
# What a transaction has done, and the intents that are known, which it has left for another one.
Step = tuple[Acceptance, Sequence[IncomingIntent]]
# A transaction of a second or so, also where every intent has a thousand recipients or a payload of its limit.
_ROUTES = 5_000
# A cancellation does not say how many routes it has: 25 of them, each of an intent with a thousand recipients on two
# channels, take a second.
_ROUTES_CANCELLED = 200
_BYTES = 8 * 1024 * 1024


class Acceptor:
    """Commits entries of one stream. One thread at a time.

    on_wait: called with the ids of the entries in hand before each wait for PostgreSQL.
    beat: called before each try.
    hand_over: returns the lease of the routes that a transaction inserts; None: they have none.
    spans: makes one for each transaction.
    """

    def __init__(
        self,
        database: Database,
        stream: str,
        stopping: threading.Event,
        on_wait: Callable[[Sequence[str]], None],
        beat: Callable[[], None] = lambda: None,
        hand_over: Callable[[], Handover | None] = lambda: None,
        spans: Spans = NO_SPANS,
    ) -> None:
        self._database = database
        self._stream = stream
        self._retrying = Retrying(stopping, on_wait, beat, spans)
        self._hand_over = hand_over

    def commit(self, entries: Sequence[Incoming]) -> Iterator[tuple[Sequence[Incoming], Acceptance]]:
        """Commits the entries in transactions. Yields the entries of each, and their acceptance, once it is committed.

        Ends early if told to stop, which it checks before each transaction and while PostgreSQL is away (R17). An entry
        that was not yielded may be committed again.
        """
        for part in transactions(entries):
            yield from self._commit(part)

    def _commit(self, entries: Sequence[Incoming], tries: int = 0) -> Iterator[tuple[Sequence[Incoming], Acceptance]]:
        intents = [entry for entry in entries if isinstance(entry, IncomingIntent)]
        malformed = [entry for entry in entries if isinstance(entry, IncomingMalformed)]
        cancellations = [entry for entry in entries if isinstance(entry, IncomingCancellation)]
        if cancellations:
            # Before the intents of the same batch: then one that is taken back is never sent (R28).
            yield from self._step(cancellations, lambda: (cancel(self._database, cancellations), ()), tries)
        if malformed:
            yield from self._step(malformed, lambda: (reject(self._database, self._stream, malformed), ()), tries)
        if intents:
            yield from self._step(intents, lambda: accept_new(self._database, intents, self._hand_over()), tries)

    def _step(
        self, entries: Sequence[Incoming], work: Callable[[], Step], tries: int
    ) -> Iterator[tuple[Sequence[Incoming], Acceptance]]:
        """Commits a transaction, then another one for the intents that are known."""
        try:
            ids = [entry.entry_id for entry in entries]
            done, tries = self._retrying.until_done(work, ids, tries, is_last_form=_is_last_form(entries))
        except DatabaseRefused as error:
            if len(entries) == 1:
                yield from self._commit([_refused(entries[0], error)], tries)
            else:
                for entry in entries:
                    yield from self._commit([entry], tries)
            return
        if done is None:
            return
        acceptance, known = done
        if known:
            others = {intent.entry_id for intent in known}
            entries = [entry for entry in entries if entry.entry_id not in others]
        if entries:
            # If the reply of an earlier try was lost, its rows are this process's own, and not reported yet.
            yield entries, acceptance.told_as_new() if tries else acceptance
        if known:
            yield from self._step(known, lambda: (compare_known(self._database, self._stream, known), ()), tries)


def _refused(entry: Incoming, error: DatabaseRefused) -> IncomingMalformed:
    if isinstance(entry, IncomingMalformed):
        return plainer(entry, error)
    return refused(entry.entry_id, entry.raw, error)


def _is_last_form(entries: Sequence[Incoming]) -> bool:
    return all(isinstance(entry, IncomingMalformed) and entry.is_plain for entry in entries)


def _routes_of(entry: Incoming) -> int:
    """Returns how many routes the entry changes; of a cancellation a number between the usual and the most."""
    if isinstance(entry, IncomingCancellation):
        return _ROUTES_CANCELLED
    return len(entry.routes) if isinstance(entry, IncomingIntent) else 0


def transactions(entries: Sequence[Incoming]) -> Iterator[Sequence[Incoming]]:
    """Yields the entries in parts of which each is one transaction of a second or so."""
    part: list[Incoming] = []
    routes = size = 0
    for entry in entries:
        more_routes = _routes_of(entry)
        more_bytes = sum(len(name) + len(value) for name, value in entry.raw)
        if part and (routes + more_routes > _ROUTES or size + more_bytes > _BYTES):
            yield part
            part, routes, size = [], 0, 0
        part.append(entry)
        routes, size = routes + more_routes, size + more_bytes
    if part:
        yield part
