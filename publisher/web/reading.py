"""Reads the sections of a page side by side, within the time that a page has (R35)."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from publisher.domain.errors import BadRequest, PublisherError, Unavailable

# A page stands within 2.5 seconds, whatever hangs.
BUDGET = timedelta(seconds=2)
T = TypeVar("T")
_NOT_ASKED = "no server was asked: the time of this page had gone by"
# When the request began that this task answers, by a clock that is never set back.
_began: ContextVar[float] = ContextVar("began")


@dataclass(frozen=True, slots=True)
class NotRead:
    """Stands in the place of a section that could not be read. reason: says why, in one line."""

    reason: str

    # For a template: what was read has none of these.
    is_not_read = True


class Began:
    """Notes when each request began: whatever a page reads, one after the other, shares the page's time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        _began.set(time.monotonic())
        await self._app(scope, receive, send)


class Reading:
    """Threads that read for pages, or change what a form asks for, each within a budget.

    A section that comes too late is left behind: its thread ends with the statement's own deadline. So a server that
    hangs keeps as many threads as there are, and every page says so in time all the same.
    """

    def __init__(self, threads: int, budget: timedelta = BUDGET) -> None:
        """Starts no thread yet. budget: how long a page waits for all that it reads."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="page")
        self._budget = budget

    async def sections(self, reads: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
        """Returns what each of these functions returns, by name, or a NotRead in the place of a server's error.

        After a change that took up the time of the page no server is asked, and none is said not to answer.
        Raises BadRequest where what was asked for cannot be, and an error that is none of PublisherError: a bug.
        """
        left = self._left()
        if not left:
            return dict.fromkeys(reads, NotRead(_NOT_ASKED))
        futures = {name: asyncio.wrap_future(self._threads.submit(read)) for name, read in reads.items()}
        done, _ = await asyncio.wait(futures.values(), timeout=left)
        for error in [future.exception() for future in done]:
            if error is not None and not _is_of_a_server(error):
                raise error
        return {name: self._result(future) for name, future in futures.items()}

    async def one(self, read: Callable[[], T]) -> T:
        """Returns what this function returns. Raises its error, and Unavailable if it comes too late.

        Of a change that comes too late nobody knows whether it was made: the audit tells, once the server answers.
        """
        future = asyncio.wrap_future(self._threads.submit(read))
        await asyncio.wait([future], timeout=self._left())
        if not future.done():
            future.cancel()
            raise Unavailable(self._late())
        return future.result()

    def close(self) -> None:
        """Begins nothing new, and waits for nothing."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _result(self, future: "asyncio.Future[Any]") -> Any:
        if not future.done():
            # One that no thread has begun is not begun any more.
            future.cancel()
            return NotRead(self._late())
        error = future.exception()
        return future.result() if error is None else NotRead(str(error))

    def _left(self) -> float:
        """Returns how many seconds of the budget are left to the request."""
        now = time.monotonic()
        return max(0.0, _began.get(now) + self._budget.total_seconds() - now)

    def _late(self) -> str:
        return f"no answer within {self._budget.total_seconds():g} seconds"


def _is_of_a_server(error: BaseException) -> bool:
    return isinstance(error, PublisherError) and not isinstance(error, BadRequest)
