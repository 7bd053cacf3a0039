"""Repeats a transaction of intake while PostgreSQL is away (R20), and words what PostgreSQL refuses (R19a)."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from publisher.domain.errors import DatabaseRefused, PublisherError
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.process.next_try import wait_for_next_try
from publisher.process.spans import NO_SPANS, POSTGRESQL, SpanKind, Spans
from storage.malformed.recording import IncomingMalformed, RawFields

# As it stands in the log, whatever part of intake waits.
INTAKE = "intake"
T = TypeVar("T")


class Retrying:
    """Does the work of one transaction, however long PostgreSQL is away.

    on_wait: called with the ids of the entries in hand before each wait for PostgreSQL.
    beat: called before each try.
    spans: makes one for each work, its waits included.
    """

    def __init__(
        self,
        stopping: threading.Event,
        on_wait: Callable[[Sequence[str]], None],
        beat: Callable[[], None],
        spans: Spans = NO_SPANS,
    ) -> None:
        self._stopping = stopping
        self._spans = spans
        self._on_wait = on_wait
        self._beat = beat

    def until_done(
        self, work: Callable[[], T], entry_ids: Sequence[str], tries: int, *, is_last_form: bool
    ) -> tuple[T | None, int]:
        """Returns what the work returns, and how often it was tried in vain. None if told to stop before.

        tries: how often it was before.
        is_last_form: the entries have no plainer form. Then no value is at fault if they are refused, and that is
            waited out, too.
        Raises DatabaseRefused otherwise.
        """
        with self._spans.batch("commit", SpanKind.CLIENT, POSTGRESQL):
            return self._until_done(work, entry_ids, tries, is_last_form=is_last_form)

    def _until_done(
        self, work: Callable[[], T], entry_ids: Sequence[str], tries: int, *, is_last_form: bool
    ) -> tuple[T | None, int]:
        while not self._stopping.is_set():
            self._beat()
            try:
                return work(), tries
            except PublisherError as error:
                if isinstance(error, DatabaseRefused) and not is_last_form:
                    raise
                tries += 1
                self._on_wait(entry_ids)
                wait_for_next_try(INTAKE, self._stopping, tries, error)
        return None, tries


def refused(entry_id: str, raw: RawFields, error: DatabaseRefused) -> IncomingMalformed:
    """Returns the malformed entry that PostgreSQL made of a valid one, which it refused."""
    return IncomingMalformed(entry_id, raw, Rejection(RejectionCode.STORAGE_REFUSED, str(error)))


def plainer(entry: IncomingMalformed, error: DatabaseRefused) -> IncomingMalformed:
    """Returns the record in ASCII alone, of a malformed entry whose record PostgreSQL refused."""
    before = entry.malformed
    message = (
        str(error) if before.code is RejectionCode.STORAGE_REFUSED else f"{before.code}: {before.message}; {error}"
    )
    return IncomingMalformed(
        entry.entry_id, entry.raw, Rejection(RejectionCode.STORAGE_REFUSED, message), is_plain=True
    )
