"""Serves one request of the door: who sends it, how often they may, its body, its work in a thread, and the answer.

Nothing of a body is read before its sender is known. The work runs in a few threads, as many as have connections to
PostgreSQL, and the bodies of a few requests more may wait for them: what comes beyond that is told to come again.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from publisher.domain.door_token import Sends
from publisher.domain.errors import SchemaOutdated, Unavailable
from publisher.operations.json_values import json_value
from publisher.web.door.bodies import read_body
from publisher.web.door.credentials import sender_of
from publisher.web.door.problems import Problem, problem_response
from publisher.web.door.rates import Rates
from storage.database import Database
from storage.tokens import TokenRecord

_log = structlog.get_logger()
THREADS = 4
# Requests whose bodies are read or in memory: 8 MiB each at most.
_AT_ONCE = 16
# Of these, bodies of one sender that have not come: whoever sends slowly leaves room for the others.
_AWAITED_OF_ONE = 8
_BUSY_SECONDS, _AWAY_SECONDS = 1, 5
T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered. body: as JSON."""

    status: int
    body: Mapping[str, object] = field(default_factory=dict)


class Serving:
    """Serves the requests of this process."""

    def __init__(self, database: Database, rates: Rates) -> None:
        """database: has a connection for each of THREADS."""
        self._database = database
        self._rates = rates
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="door")
        self._in_hand = 0
        # Bodies that are being read, by the token's number.
        self._awaited: Counter[int] = Counter()

    def post(
        self, sends: Sends, media_types: Collection[str], work: Callable[[TokenRecord, bytes], Answer]
    ) -> Endpoint:
        """Returns an endpoint that takes a body in. work: runs in a thread. Raises Problem, or PublisherError."""

        async def take(request: Request) -> Answer:
            sender = await self._sender(request)
            if sends not in sender.sends:
                raise Problem(403, f"this token may not send {sends}: publisher tokens add", "forbidden")
            if self._in_hand >= _AT_ONCE or self._awaited[sender.id] >= _AWAITED_OF_ONE:
                raise _again("too many requests are in hand: send it again", "busy", _BUSY_SECONDS)
            self._in_hand += 1
            try:
                body = await self._body(request, sender, media_types)
                return await self._in_thread(lambda: work(sender, body))
            finally:
                self._in_hand -= 1

        return self._endpoint(take)

    def get(self, work: Callable[[TokenRecord, Request], Answer]) -> Endpoint:
        """Returns an endpoint that only reads. work: runs in a thread. Raises Problem, or PublisherError."""

        async def read(request: Request) -> Answer:
            sender = await self._sender(request)
            return await self._in_thread(lambda: work(sender, request))

        return self._endpoint(read)

    def close(self) -> None:
        """Begins nothing new. Work that has begun ends by the deadlines of its statements."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _sender(self, request: Request) -> TokenRecord:
        given = request.headers.get("authorization", "")
        sender = await self._in_thread(lambda: sender_of(self._database, given))
        if wait := self._rates.wait(sender.id):
            raise Problem(429, "too many requests with this token", "too_many_requests", headers=_retry_after(wait))
        return sender

    async def _body(self, request: Request, sender: TokenRecord, media_types: Collection[str]) -> bytes:
        self._awaited[sender.id] += 1
        try:
            body = await read_body(request, media_types)
        finally:
            self._awaited[sender.id] -= 1
        request.state.body_is_read = True
        return body

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _endpoint(self, handle: Callable[[Request], Awaitable[Answer]]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            try:
                answer = await handle(request)
            except Problem as problem:
                return _closing(request, problem_response(problem))
            except ClientDisconnect:
                # Nobody reads the answer, and nothing was taken in of half a body.
                return Response(status_code=400)
            except (Unavailable, SchemaOutdated) as error:
                _log.warning("a request over HTTP is told to come again", error=error)
                return _closing(request, problem_response(_away()))
            media_type = "application/json" if answer.status < 400 else "application/problem+json"
            body = orjson.dumps(answer.body, default=json_value, option=orjson.OPT_PASSTHROUGH_DATETIME)
            return Response(body, answer.status, media_type=media_type)

        return endpoint


def _away() -> Problem:
    # The error's own text names servers, which is none of a sender's business.
    detail = "nothing was taken in, or its answer was lost: send it again; what is known by then is answered with 200"
    return _again(detail, "unavailable", _AWAY_SECONDS)


def _again(detail: str, code: str, seconds: int) -> Problem:
    return Problem(503, detail, code, headers=_retry_after(seconds))


def _retry_after(seconds: int) -> Mapping[str, str]:
    return {"retry-after": str(seconds)}


def _closing(request: Request, response: Response) -> Response:
    """Has the connection closed if the body was not read to its end: it is not waited for."""
    if request.method == "POST" and not getattr(request.state, "body_is_read", False):
        response.headers["connection"] = "close"
    return response
