"""Slows down whoever tries tokens."""

import asyncio
from datetime import timedelta

from starlette.responses import PlainTextResponse, Response

# A wrong token is answered so late.
DELAY = timedelta(seconds=1)
# While so many answers are held back, a further token is compared after the same time, right or wrong.
_AT_ONCE = 10
# While it is so many, a further one is not compared at all: so many a second can be tried, and no more.
_MOST = 100


class Attempts:
    """Counts the requests that are held back for wrong tokens, from everywhere together.

    Addresses are no help: behind a router of a platform all requests come from one. Whoever tries tokens with a few
    connections keeps nobody out: the right one is let in a second later.
    """

    def __init__(self, delay: timedelta = DELAY) -> None:
        self._delay = delay
        self._held_back = 0

    async def admits(self) -> bool:
        """Returns, once a further token may be compared, True; False if it is not to be. It holds up no session."""
        if self._held_back >= _MOST:
            return False
        if self._held_back >= _AT_ONCE:
            await self._hold_back()
        return True

    async def failed(self) -> None:
        """Holds back the answer to a wrong token."""
        await self._hold_back()

    async def _hold_back(self) -> None:
        self._held_back += 1
        try:
            await asyncio.sleep(self._delay.total_seconds())
        finally:
            self._held_back -= 1


def too_many() -> Response:
    """Returns the answer to a token that is not compared now."""
    text = "too many wrong tokens were tried just now: try again in two seconds\n"
    return PlainTextResponse(text, 429, {"retry-after": "2"})
