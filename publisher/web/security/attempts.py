"""Slows down whoever tries tokens."""

import asyncio
from datetime import timedelta

from starlette.responses import PlainTextResponse, Response

# A wrong token is answered so late.
DELAY = timedelta(seconds=1)
# More wrong tokens than these are not even compared: so many a second can be tried at all.
_AT_ONCE = 10


class Attempts:
    """Counts the wrong tokens whose answer is still held back, from everywhere together.

    Addresses are no help: behind a router of a platform all requests come from one.
    """

    def __init__(self, delay: timedelta = DELAY) -> None:
        self._delay = delay
        self._held_back = 0

    @property
    def too_many(self) -> bool:
        """Whether a further token is not to be compared now. Whoever is logged in notices nothing of that."""
        return self._held_back >= _AT_ONCE

    async def failed(self) -> None:
        """Holds back the answer to a wrong token."""
        self._held_back += 1
        try:
            await asyncio.sleep(self._delay.total_seconds())
        finally:
            self._held_back -= 1


def too_many() -> Response:
    """Returns the answer to a token that is not compared now."""
    text = "too many wrong tokens were tried just now: try again in two seconds\n"
    return PlainTextResponse(text, 429, {"retry-after": "2"})
