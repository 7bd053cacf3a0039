"""Keeps connections that send nothing, or hardly anything, from locking everybody else out of the page.

uvicorn waits for the first request of a connection for ever, and answers 503 to all once too many are open. Here each
request has to come within its time, and if too many connections are open the one that has waited longest goes.
"""

import asyncio
import resource
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# In seconds: until the head of a request is here, and from then on until its body is.
HEAD, BODY = 10.0, 60.0
# In seconds: how much longer a body may come once the process is to end. It is less than its requests have to end.
ENDING = 3.0
# Beyond so many open connections the oldest of those that only wait is closed.
_MOST_OPEN = 400


def most_open() -> int:
    """Returns how many connections may be open: half of the descriptors that this process may have, or 400."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_OPEN if descriptors == resource.RLIM_INFINITY else min(_MOST_OPEN, descriptors // 2)


class PatientConnection(H11Protocol):
    """A connection to one client, closed if a request of it does not come in time."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.opened_at = self.loop.time()
        self._most_open = most_open()
        self._late: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether no request of this connection is being answered, and it is open."""
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first request, in the place of the connection that has waited longest."""
        super().connection_made(transport)
        self._expect(HEAD)
        if len(self.connections) > self._most_open:
            self._close_oldest()

    def data_received(self, data: bytes) -> None:
        """Takes the next bytes, and gives what has yet to come its time."""
        is_new = self.is_waiting
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.is_waiting:
            # What comes slowly, byte by byte, does not begin anew.
            if self._late is None:
                self._expect(HEAD)
        else:
            self._expect_body(is_new=is_new)

    def on_response_complete(self) -> None:
        """Begins with the next request, if it is here."""
        super().on_response_complete()
        if not self.is_waiting:
            self._expect_body(is_new=True)

    def timeout_keep_alive_handler(self) -> None:
        """Closes the connection: at once, or soon where the client does not take its last answer."""
        super().timeout_keep_alive_handler()
        self._expect(HEAD)

    def shutdown(self) -> None:
        """Ends the connection, or has it end with the request under way, whose body has to come within ENDING."""
        super().shutdown()
        if not self.is_waiting and self.conn.their_state is h11.SEND_BODY:
            self._expect(ENDING)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        self._expect_nothing()
        super().connection_lost(exc)

    def _expect_body(self, *, is_new: bool) -> None:
        if self.conn.their_state is not h11.SEND_BODY:
            self._expect_nothing()
        elif is_new or self._late is None:
            self._expect(BODY)

    def _expect(self, seconds: float) -> None:
        self._expect_nothing()
        self._late = self.loop.call_later(seconds, self._give_up)

    def _expect_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        self.transport.abort()

    def _close_oldest(self) -> None:
        waiting = (
            other
            for other in self.connections
            if isinstance(other, PatientConnection) and other.is_waiting and other is not self
        )
        oldest = min(waiting, key=lambda other: other.opened_at, default=None)
        if oldest is not None:
            oldest.transport.abort()
