"""Reads and parses the next batch of a backlog while PostgreSQL commits the one before.

What was read ahead is pending with this consumer, as the batch in hand is: after an error or a stop it is found there.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

from publisher.domain.errors import PublisherError
from publisher.intake.acceptor import Incoming

# A backlog has its next batch at once.
_GLANCE = timedelta(milliseconds=1)


class ReadAhead:
    """Reads batches in turn, at most one of them ahead. One thread at a time."""

    def __init__(self, read: Callable[[timedelta], Sequence[Incoming]]) -> None:
        """read: reads and parses a batch, and waits so long for its first entry. Called by two threads in turn."""
        self._read = read
        self._ahead: Future[Sequence[Incoming]] | None = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Allows `begin`. At the end nothing is read any more, and what was read ahead is left pending."""
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as self._thread:
            try:
                yield
            finally:
                self.in_hand()
                self._ahead = None

    def next(self, block: timedelta) -> Sequence[Incoming]:
        """Returns the batch that was read ahead, or reads one, waiting up to `block`. Raises what `read` raises."""
        ahead, self._ahead = self._ahead, None
        return self._read(block) if ahead is None else ahead.result()

    def begin(self) -> None:
        """Begins to read the next batch in another thread, which alone may speak to the stream from now on."""
        self._ahead = self._thread.submit(self._read, _GLANCE)

    def in_hand(self) -> Sequence[Incoming]:
        """Returns what was read ahead, once it was read: this thread may speak to the stream again."""
        try:
            return [] if self._ahead is None else self._ahead.result()
        except PublisherError:
            # `next` raises it.
            return []
