"""Assembles the door: its paths, and the document that describes them."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from publisher.domain.door_token import Sends
from publisher.intake.handing_over import HandingOver
from publisher.intake.over_http import HttpIntake
from publisher.intake.telling import Send, Telling
from publisher.process.telemetry import Telemetry
from publisher.settings.settings import Settings
from publisher.streams.servers.stream_servers import StreamServers
from publisher.web.door.bodies import JSON, JSON_OR_TEXT
from publisher.web.door.events import Events
from publisher.web.door.intents import Intents
from publisher.web.door.notifications import Notifications
from publisher.web.door.problems import no_such_path, our_fault
from publisher.web.door.providers import Providers
from publisher.web.door.rates import Rates
from publisher.web.door.serving import Serving
from storage.database import Database

_DOCUMENT = Path(__file__).parent / "openapi.json"


class Door:
    """The HTTP door of one process."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        servers: StreamServers,
        telemetry: Telemetry,
        send: Send,
        waiting: Callable[[str], int],
    ) -> None:
        """Opens no connection.

        database: has a connection for each of `serving.THREADS`.
        servers: Redis, for what became of commands.
        send: sends the workers messages about new routes.
        waiting: returns how many messages waited in a channel's queue when the last one was put there.
        """
        self._serving = Serving(database, Rates(settings.web.door_rate))
        telling = Telling(database, settings.batch_size, send)
        handing_over = HandingOver(settings.channels, settings.handover, waiting)
        intake = HttpIntake(database, telemetry, telling, handing_over)
        self._intents = Intents(intake, settings.channels)
        self._events = Events(intake)
        self._notifications = Notifications(database, servers, settings)
        self._providers = Providers(database, telemetry, settings.mail.suppress)

    def routes(self) -> Sequence[BaseRoute]:
        """Returns the paths. Those under /v1 need a token of the door, and answer every error in JSON (RFC 9457)."""
        post, events = self._serving.post, "/delivery-events"
        paths = [
            Route("/intents", post(Sends.INTENTS, JSON, self._intents.post), methods=["POST"]),
            Route(events, post(Sends.EVENTS, JSON, self._events.post), methods=["POST"]),
            Route(f"{events}/ses", post(Sends.EVENTS, JSON_OR_TEXT, self._providers.post_ses), methods=["POST"]),
            Route(f"{events}/postmark", post(Sends.EVENTS, JSON, self._providers.post_postmark), methods=["POST"]),
            Route("/notifications/{notification_id}", self._serving.get(self._notifications.get), methods=["GET"]),
        ]
        versioned = Starlette(routes=paths, exception_handlers={HTTPException: no_such_path, Exception: our_fault})
        # A path with a slash too many is no path: a redirection would lose the body of a careless client.
        versioned.router.redirect_slashes = False
        mount = Mount("/v1", versioned)
        # A path may hold a line feed, which Starlette's own pattern leaves out.
        mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
        # The mount has no path without its slash: that is no path of the door, which says so itself.
        return [mount, Route("/v1", versioned), Route("/openapi.json", _document)]

    def close(self) -> None:
        """Begins nothing new."""
        self._serving.close()


async def _document(_: Request) -> Response:
    return Response(_DOCUMENT.read_bytes(), media_type="application/json")
