"""Composes the page and the HTTP door of one process from its settings. It opens no connection."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog
import uvicorn
from prometheus_client import ProcessCollector
from starlette.applications import Starlette

from publisher.connections import open_database, open_servers
from publisher.domain.errors import SettingsError
from publisher.intake.telling import Send
from publisher.observability.exporter import GaugeExporter
from publisher.operations.snapshot.taking import Snapshots
from publisher.process.telemetry import Telemetry
from publisher.settings.settings import Settings
from publisher.settings.web import WebSettings
from publisher.web.app import application
from publisher.web.context import WebContext
from publisher.web.door.routes import Door
from publisher.web.door.serving import THREADS
from publisher.web.history import History
from publisher.web.pages.health import Metrics
from publisher.web.reading import Reading
from publisher.web.rendering import Rendering
from publisher.web.running import Running
from publisher.web.security.access import Access
from publisher.web.security.attempts import Attempts
from publisher.web.security.sessions import Sessions
from publisher.web.slow_clients import PatientConnection, most_open

_log = structlog.get_logger()
# What a page shows is read within this time, each statement by itself (R35).
_STATEMENT = timedelta(seconds=2)
# What Redis knows is asked of one server after the other: of three that hang each is named, and what the others know is
# shown, within the time of the page.
_REPLY = timedelta(seconds=0.6)
# Counting millions of open routes takes seconds, a quarter of one for each million; no page waits for it.
_SNAPSHOT_STATEMENT = timedelta(seconds=15)
# Threads that read for pages, and that make the changes of forms. Each has a connection of its own.
_READERS = 6
# Threads that read what Redis alone knows.
_REDIS_READERS = 2
_CHANGERS = 2
# A change has as long as its statements may take: cut short, nobody would know whether it was made.
_CHANGE = timedelta(seconds=15)
# Connections for changes: two of forms, and the others of changes under way, which wait for one between batches.
_CHANGED = 4
# How long requests under way, and changes between two batches, have to end (R17).
_PATIENCE = timedelta(seconds=10)
_LOOK = 0.2


@dataclass(frozen=True, slots=True)
class WebProcess:
    """The parts of the process. running: the changes under way."""

    application: Starlette
    exporter: GaugeExporter
    running: Running


@contextmanager
def compose_web(
    settings: Settings,
    telemetry: Telemetry,
    operator: str,
    wake: Callable[[str], bool],
    send: Send,
    waiting: Callable[[str], int],
) -> Iterator[WebProcess]:
    """Composes the process, and closes its connections at the end.

    operator: the name of this process's user, for changes that come without one.
    wake: tells the workers of a channel that routes of it are due; False if it could not.
    send: sends the workers messages about new routes.
    waiting: returns how many messages waited in a channel's queue when the last one was put there.
    """
    history, reading, changing = History(), Reading(_READERS), Reading(_CHANGERS, _CHANGE)
    reading_redis = Reading(_REDIS_READERS)
    sessions = Sessions(settings.web)
    with (
        closing(open_database(settings, "web-page", _STATEMENT)) as shown,
        closing(open_database(settings, "web-change", pool_size=_CHANGED)) as changed,
        closing(open_database(settings, "web-snapshot", _SNAPSHOT_STATEMENT)) as snapshot_database,
        closing(open_database(settings, "web-door", pool_size=THREADS)) as door_database,
        open_servers(settings, "web", _REPLY) as servers,
        open_servers(settings, "web-snapshot") as snapshot_servers,
    ):
        running = Running(changed, wake)
        context = WebContext(
            settings=settings,
            shown=shown,
            changed=changed,
            servers=servers,
            history=history,
            reading=reading,
            reading_redis=reading_redis,
            changing=changing,
            running=running,
            wake=wake,
            rendering=Rendering(is_open=settings.web.is_open),
            sessions=sessions,
            access=Access(settings.web, sessions, operator),
            attempts=Attempts(),
        )
        # Its CPU and memory; on systems other than Linux it adds nothing.
        ProcessCollector(registry=telemetry.registry)
        metrics = Metrics(settings.web, telemetry.registry)
        snapshots = Snapshots(snapshot_database, snapshot_servers, settings)
        exporter = GaugeExporter(snapshot_database, snapshots, telemetry.registry, on_snapshot=history.add)
        door = Door(settings, door_database, servers, telemetry, send, waiting)
        try:
            yield WebProcess(application(context, metrics, door.routes()), exporter, running)
        finally:
            door.close()
            running.close(_PATIENCE)
            reading.close()
            reading_redis.close()
            changing.close()


def listen(settings: WebSettings) -> socket.socket:
    """Returns a socket that listens where the settings say. Raises SettingsError if it cannot."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=256)
    except OSError as error:
        raise SettingsError(
            f"the page cannot listen on {settings.host} port {settings.port}: {error.strerror or error};"
            " set PUBLISHER_WEB_PORT, or PORT, to a free one, and PUBLISHER_WEB_HOST to an address of this machine"
        ) from error
    # Each connection inherits it. asyncio sets it for sockets that it makes by itself; without it an answer waits
    # 40 ms for the acknowledgement of its own head (Nagle's algorithm beside delayed acknowledgements, RFC 1122).
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


async def serve(
    application: Starlette,
    listening: socket.socket,
    stopping: threading.Event,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Serves until `stopping` is set. Requests under way are finished, for ten seconds at most (R17).

    on_stop: called before they are waited for.
    """
    config = uvicorn.Config(
        application,
        http=PatientConnection,
        log_config=None,
        # That it starts and ends is said by our own lines, and what is no HTTP is not worth one.
        log_level="error",
        access_log=False,
        server_header=False,
        # Nothing here depends on a client's address or scheme, which a proxy would tell.
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(_PATIENCE.total_seconds()),
        # Never reached by connections that only wait: the oldest of these goes before.
        limit_concurrency=most_open() * 5 // 4,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not task.done():
        if stopping.is_set() and not server.should_exit:
            server.should_exit = True
            on_stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), _LOOK)
    await task
