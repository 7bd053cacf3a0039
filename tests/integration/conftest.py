"""The actors in the test's own process, and servers that a test may break."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import dramatiq
import pytest
import redis

from actors.context import Context
from publisher.bootstrap import compose_intake, install_context
from publisher.domain.backoff import Backoff
from publisher.environment import load_settings
from publisher.intake import consumer as intake
from publisher.intake import marking
from publisher.process import next_try
from publisher.streams.intents import IntentsGroup
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from tests.factories import GROUP, INTENTS
from tests.valkeys import OwnValkey

AsUser = Callable[..., redis.Redis]
# Workers that scan by themselves would do what a test waits to see done by message.
QUIET = {"PUBLISHER_SCAN_INTERVAL": "600"}


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[OwnValkey]:
    """A Valkey of this test's own."""
    server = OwnValkey(tmp_path / "valkey")
    yield server
    server.stop()


@pytest.fixture
def own_client(own_valkey: OwnValkey) -> Iterator[redis.Redis]:
    """A client of that Valkey, as the service opens it."""
    with open_redis(own_valkey.url, timeout=timedelta(seconds=3), client_name="test") as client:
        yield client


@pytest.fixture
def as_user(own_valkey: OwnValkey, own_client: redis.Redis) -> Iterator[AsUser]:
    """Opens a client of that Valkey as a user with these rights."""
    with ExitStack() as stack:

        def make(*rules: str) -> redis.Redis:
            own_client.execute_command("ACL", "SETUSER", "app", "reset", "on", ">secret", *rules)
            url = own_valkey.url.replace("://", "://app:secret@")
            return stack.enter_context(open_redis(url, timeout=timedelta(seconds=3), client_name="test"))

        yield make


@pytest.fixture
def consumer(redis_url: str) -> Iterator[Callable[[str], IntentsGroup]]:
    """Makes a consumer of this name in the intents group, with a client of its own."""
    with ExitStack() as stack:

        def make(name: str) -> IntentsGroup:
            client = stack.enter_context(open_redis(redis_url, timeout=timedelta(seconds=3), client_name="test"))
            return IntentsGroup(StreamServers(client), INTENTS, GROUP, name)

        yield make


@pytest.fixture
def install(environ: dict[str, str]) -> Iterator[Callable[..., Context]]:
    """Composes what the actors work with, from this environment and the variables given besides."""
    with ExitStack() as stack:

        def composed(**variables: str) -> Context:
            return stack.enter_context(_installed(environ | QUIET | variables))

        yield composed


@pytest.fixture
def context(install: Callable[..., Context]) -> Context:
    """What the actors work with, from this environment."""
    return install()


@pytest.fixture
def start_worker(install: Callable[..., Context]) -> Iterator[Callable[..., dramatiq.Worker]]:
    """Starts a Dramatiq worker in this process on the installed context's broker: of these queues, or of all."""
    with ExitStack() as stack:

        def start(*queues: str) -> dramatiq.Worker:
            broker = dramatiq.get_broker()
            worker = dramatiq.Worker(broker, queues=set(queues), worker_timeout=50, worker_threads=4)
            worker.start()
            stack.callback(worker.stop)
            return worker

        yield start


@pytest.fixture
def start_intake(
    context: Context, consumer: Callable[[str], IntentsGroup], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., threading.Thread]]:
    """Runs intake as a consumer of this name in a thread, until the context is told to stop."""
    monkeypatch.setattr(intake, "_BLOCK", timedelta(milliseconds=50))
    monkeypatch.setattr(next_try, "_BACKOFF", Backoff(timedelta(milliseconds=10), timedelta(milliseconds=50)))
    monkeypatch.setattr(marking, "_INTERVAL", timedelta(milliseconds=20))
    threads: list[threading.Thread] = []

    def start(
        name: str = "one",
        *,
        batch: int = 10,
        idle: timedelta = timedelta(hours=1),
        handover: timedelta = timedelta(0),
    ) -> threading.Thread:
        options = intake.IntakeOptions(INTENTS, batch, idle, handover=handover)
        loop = compose_intake(context, consumer(name), options)
        threads.append(threading.Thread(target=loop.run, name=f"intake {name}"))
        threads[-1].start()
        return threads[-1]

    yield start
    context.stopping.set()
    for thread in threads:
        thread.join()


@contextmanager
def _installed(environ: dict[str, str]) -> Iterator[Context]:
    context = install_context(load_settings(environ), "test")
    broker = dramatiq.get_broker()
    with closing(context.database), context.redis, broker.client:
        yield context
        context.stopping.set()
