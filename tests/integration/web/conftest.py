"""The page of this test's servers, asked without a network: everything behind the socket is real."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack

import pytest
from starlette.testclient import TestClient

from publisher.channels.registry import discover_channels
from publisher.process.telemetry import Telemetry
from publisher.settings.settings import Settings
from publisher.web_process import WebProcess, compose_web
from storage.database import Database
from tests.integration.web.one_route import accept_one

READ, OPERATE = "read-token-of-the-tests", "operate-token-of-the-tests"
TOKENS = {"PUBLISHER_WEB_READ_TOKEN": READ, "PUBLISHER_WEB_OPERATE_TOKEN": OPERATE}
# What a browser sends with a form of the page itself.
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
Serve = Callable[..., TestClient]
Compose = Callable[[Mapping[str, str]], WebProcess]


@pytest.fixture
def woken() -> list[str]:
    """The channels whose workers the page woke, in order."""
    return []


@pytest.fixture
def told() -> list[tuple[str, str, Sequence[int]]]:
    """The messages about new routes that the door sent to the workers, in order: channel, lane and keys."""
    return []


@pytest.fixture
def composed(
    environ: dict[str, str], woken: list[str], told: list[tuple[str, str, Sequence[int]]]
) -> Iterator[Compose]:
    """Composes the process of the page with these variables besides."""
    with ExitStack() as stack:

        def compose(variables: Mapping[str, str]) -> WebProcess:
            settings = Settings.from_environ(environ | variables, discover_channels())

            def wake(channel: str) -> bool:
                woken.append(channel)
                return True

            def send(news: Sequence[tuple[str, str, Sequence[int]]], _: str | None) -> bool:
                told.extend(news)
                return True

            return stack.enter_context(compose_web(settings, Telemetry(), "tester", wake, send, lambda _: 0))

        yield compose


@pytest.fixture
def serve(composed: Compose) -> Iterator[Serve]:
    """Serves the page with these variables, and with a first snapshot; follows no redirect."""
    with ExitStack() as stack:

        def start(variables: Mapping[str, str] | None = None) -> TestClient:
            process = composed(variables or {})
            process.exporter.refresh()
            client = TestClient(process.application, base_url="http://127.0.0.1:8000", follow_redirects=False)
            client.headers.update(SAME_ORIGIN)
            return stack.enter_context(client)

        yield start


@pytest.fixture
def page(serve: Serve) -> TestClient:
    """The page without tokens, as a laptop has it."""
    return serve()


@pytest.fixture
def reader(serve: Serve) -> TestClient:
    """The page with tokens, asked by somebody who may read."""
    client = serve(TOKENS)
    client.headers["authorization"] = f"Bearer {READ}"
    return client


@pytest.fixture
def operator(serve: Serve) -> TestClient:
    """The page with tokens, asked by somebody who may operate."""
    client = serve(TOKENS)
    client.headers["authorization"] = f"Bearer {OPERATE}"
    return client


@pytest.fixture
def route(database: Database) -> int:
    """The key of the only route, which goes to an address."""
    return accept_one(database)
