"""Messages that wait for a connection which another message uses, first come, first served."""

import asyncio
from collections import deque
from collections.abc import Callable

from publisher.mail.smtp.connection import Connection


class Turns:
    """The messages that wait. Used by the event loop alone."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()

    async def wait(self, seconds: float, spare: Callable[[Connection], None]) -> Connection | None:
        """Waits for a connection, for so long at most. None: look for one again, since one has ended, or time is over.

        spare: called with the connection if the task is cancelled at the moment at which it gets one.
        """
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(turn)
        timer = loop.call_later(seconds, _end, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and (connection := turn.result()) is not None:
                spare(connection)
            raise
        finally:
            timer.cancel()

    def give(self, connection: Connection | None) -> bool:
        """Ends the wait of the message that waits for longest, with this. Returns whether one waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False

    def end(self) -> None:
        """Ends every wait, without a connection."""
        while self.give(None):
            pass


def _end(turn: "asyncio.Future[Connection | None]") -> None:
    if not turn.done():
        turn.set_result(None)
