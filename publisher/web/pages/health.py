"""Answers platforms and Prometheus: whether the process lives, whether it can work, and its metrics (R25)."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from publisher.settings.web import WebSettings
from publisher.streams.servers.connection import translated
from publisher.web.context import WebContext
from publisher.web.reading import NotRead
from publisher.web.security.access import bearer_token, is_equal
from publisher.web.security.attempts import Attempts, too_many
from publisher.web.security.origin import names_loopback
from storage.schema.schema import pending_migrations

# Anybody may ask: the servers are asked once in so many seconds.
_ASKED_EVERY = 1.0


async def healthz(_: Request) -> Response:
    """Says that the process answers. It asks no server: to restart this process would mend none."""
    return PlainTextResponse("ok\n")


class Readiness:
    """Says whether both servers answer, and every migration is applied. Each server is asked once a second at most."""

    def __init__(self, context: WebContext, now: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._now = now
        self._lock = asyncio.Lock()
        self._asked = float("-inf")
        self._said: dict[str, str] = {}

    async def answer(self, _: Request) -> Response:
        """Answers 200 if this process can work, else 503 and what is missing, in fixed words: anybody may read them."""
        async with self._lock:
            if self._now() - self._asked >= _ASKED_EVERY:
                context = self._context
                found = await asyncio.gather(
                    context.reading.sections({"postgresql": lambda: _schema(context)}),
                    context.reading_redis.sections({"redis": lambda: _ask(context)}),
                )
                self._said = {
                    name: "unavailable" if isinstance(answer, NotRead) else answer
                    for name, answer in (found[0] | found[1]).items()
                }
                self._asked = self._now()
        ready = all(word == "ok" for word in self._said.values())
        return JSONResponse(self._said, 200 if ready else 503)


def _schema(context: WebContext) -> str:
    # Those of a later release do no harm: in a deploy old and new processes overlap (R15).
    return "run publisher migrate" if pending_migrations(context.shown) else "ok"


def _ask(context: WebContext) -> str:
    # Not PING: the service needs the right to that nowhere else, and may lack it.
    with translated():
        context.servers.hints.time()
    return "ok"


@dataclass(frozen=True, slots=True)
class Metrics:
    """Serves the metrics to whoever has their token; without one set, on loopback alone.

    attempts: slows down whoever tries tokens here. It is not the one of the login, which a flood here leaves alone.
    """

    settings: WebSettings
    registry: CollectorRegistry
    attempts: Attempts = field(default_factory=Attempts)

    async def answer(self, request: Request) -> Response:
        """Answers in the text format of Prometheus."""
        known = self.settings.metrics_token
        if not self.settings.serves_metrics:
            return PlainTextResponse("set PUBLISHER_WEB_METRICS_TOKEN to have the metrics served\n", 404)
        if known is None and not names_loopback(request):
            # A proxy on this machine passes on what others ask, and a hostile name may resolve to it.
            return PlainTextResponse("without PUBLISHER_WEB_METRICS_TOKEN, ask by the name 127.0.0.1\n", 421)
        if known is not None and (refusal := await self._refusal(bearer_token(request), known)) is not None:
            return refusal
        text = await asyncio.to_thread(generate_latest, self.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def _refusal(self, given: str | None, known: str) -> Response | None:
        """Returns the answer to a token that is not the known one, which comes late; None: it is."""
        if given is not None:
            if not await self.attempts.admits():
                return too_many()
            if is_equal(given, known):
                return None
            await self.attempts.failed()
        return PlainTextResponse("the metrics need their bearer token\n", 401, {"www-authenticate": "Bearer"})
