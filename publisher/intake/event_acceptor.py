"""Commits entries of the stream of delivery events to PostgreSQL (R20, R32).

While PostgreSQL is away, the acceptor waits and tries the same again. If PostgreSQL refuses a batch, its entries are
committed one by one, and an entry that is refused alone is recorded as malformed, as intents are (R21, R19a).
"""

import threading
from collections.abc import Callable, Iterator, Sequence

from publisher.domain.errors import DatabaseRefused
from publisher.intake.retrying import Retrying, plainer, refused
from publisher.process.spans import NO_SPANS, Spans
from publisher.streams.parts import parts
from storage.answers.delivery_events import IncomingEvent
from storage.answers.event_entries import TakenIn, take_in
from storage.database import Database
from storage.malformed.recording import IncomingMalformed

Incoming = IncomingEvent | IncomingMalformed
_BYTES = 8 * 1024 * 1024


class EventAcceptor:
    """Commits entries of one stream. One thread at a time.

    on_wait: called with the ids of the entries in hand before each wait for PostgreSQL.
    beat: called before each try.
    spans: makes one for each transaction.
    """

    def __init__(
        self,
        database: Database,
        stream: str,
        stopping: threading.Event,
        on_wait: Callable[[Sequence[str]], None],
        beat: Callable[[], None] = lambda: None,
        spans: Spans = NO_SPANS,
    ) -> None:
        self._database = database
        self._stream = stream
        self._retrying = Retrying(stopping, on_wait, beat, spans)

    def commit(self, entries: Sequence[Incoming]) -> Iterator[tuple[Sequence[str], TakenIn]]:
        """Commits the entries in transactions. Yields the entry ids of each, and its result, once it is committed.

        Ends early if told to stop (R17). An entry that was not yielded may be committed again.
        """
        for part in parts(entries, lambda entry: entry.raw, _BYTES):
            yield from self._commit(part)

    def _commit(self, entries: Sequence[Incoming], tries: int = 0) -> Iterator[tuple[Sequence[str], TakenIn]]:
        events = [entry for entry in entries if isinstance(entry, IncomingEvent)]
        malformed = [entry for entry in entries if isinstance(entry, IncomingMalformed)]
        ids = [str(entry.entry_id) for entry in entries]
        is_last_form = not events and all(entry.is_plain for entry in malformed)
        try:
            done, tries = self._retrying.until_done(
                lambda: take_in(self._database, self._stream, events, malformed), ids, tries, is_last_form=is_last_form
            )
        except DatabaseRefused as error:
            if len(entries) == 1:
                yield from self._commit([_refused(entries[0], error)], tries)
            else:
                for entry in entries:
                    yield from self._commit([entry], tries)
            return
        if done is not None:
            # If the reply of an earlier try was lost, its rows are this process's own, and not reported yet.
            yield ids, done.told_as_new() if tries else done


def _refused(entry: Incoming, error: DatabaseRefused) -> IncomingMalformed:
    if isinstance(entry, IncomingMalformed):
        return plainer(entry, error)
    return refused(str(entry.entry_id), entry.raw, error)
