"""The token of the metrics, and whoever tries others."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from prometheus_client import CollectorRegistry
from starlette.requests import Request

from publisher.settings.web import WebSettings
from publisher.web.pages.health import Metrics
from publisher.web.security.attempts import Attempts

KNOWN = "metrics-token-of-the-tests"


def answered(metrics: Metrics, token: str, times: int) -> Sequence[int]:
    """The statuses of so many requests at once, each with this token."""
    request = Request({"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]})

    async def ask() -> Sequence[int]:
        answers = await asyncio.gather(*(metrics.answer(request) for _ in range(times)))
        return [answer.status_code for answer in answers]

    return asyncio.run(ask())


def test_of_many_tokens_at_once_only_some_are_compared() -> None:
    """Whoever tries tokens of the metrics is slowed as at the login; the right one is let in afterwards (R36)."""
    metrics = Metrics(WebSettings(metrics_token=KNOWN), CollectorRegistry(), Attempts(timedelta(0)))

    statuses = answered(metrics, "a-wrong-token", 150)

    assert (statuses.count(401), statuses.count(429)) == (100, 50)
    assert answered(metrics, KNOWN, 1) == [200]
