"""Assembles the application: every path, who may ask for it, and what stands before it."""

from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.convertors import register_url_convertor
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from publisher.domain.errors import PublisherError
from publisher.web.context import WebContext
from publisher.web.numbers import RowNumber
from publisher.web.pages import (
    actions,
    channels,
    dead_letters,
    find,
    health,
    held_mail,
    holds,
    login,
    malformed,
    malformed_one,
    unanswered,
    waiting,
)
from publisher.web.pages.now import now
from publisher.web.pages.page import gone, no_such_page, our_fault, problem_page
from publisher.web.reading import Began
from publisher.web.security.guard import Guard
from publisher.web.security.headers import SafeHeaders

_STATIC = Path(__file__).parent / "static"


def application(context: WebContext, metrics: health.Metrics, door: Sequence[BaseRoute] = ()) -> Starlette:
    """Returns the application. door: the paths of the HTTP door."""
    register_url_convertor("row", RowNumber())
    routes: list[BaseRoute] = [
        Route("/", now),
        Route("/channels", channels.channels),
        Route("/channels/{channel}/pause", channels.pause, methods=["POST"]),
        Route("/channels/{channel}/resume", channels.resume, methods=["POST"]),
        Route("/channels/{channel}/limit", channels.limit, methods=["POST"]),
        Route("/waiting", waiting.waiting),
        Route("/waiting/dead-letters", dead_letters.dead_letters),
        Route("/waiting/dead-letters/requeue", dead_letters.requeue, methods=["POST"]),
        Route("/waiting/dead-letters/discard", dead_letters.discard, methods=["POST"]),
        Route("/waiting/unanswered", unanswered.routes),
        Route("/waiting/unanswered/republish", unanswered.republish, methods=["POST"]),
        Route("/waiting/malformed", malformed.malformed),
        Route("/waiting/malformed/resubmit", malformed.resubmit_matching, methods=["POST"]),
        Route("/waiting/malformed/{id:row}", malformed_one.malformed_intent),
        Route("/waiting/malformed/{id:row}/edit", malformed_one.edit, methods=["POST"]),
        Route("/waiting/malformed/{id:row}/resubmit", malformed_one.resubmit_one, methods=["POST"]),
        Route("/waiting/holds", holds.holds),
        Route("/waiting/holds/add", holds.add, methods=["POST"]),
        Route("/waiting/holds/mail/send", held_mail.send_held, methods=["POST"]),
        Route("/waiting/holds/mail/settle", held_mail.settle_held, methods=["POST"]),
        Route("/waiting/holds/{hold:row}", holds.hold),
        Route("/waiting/holds/{hold:row}/remove", holds.remove, methods=["POST"]),
        Route("/actions", actions.actions),
        Route("/actions/{id:row}", actions.action),
        Route("/actions/{id:row}/stop", actions.stop, methods=["POST"]),
        Route("/actions/{id:row}/resume", actions.resume, methods=["POST"]),
        Route("/find", find.find),
        Route("/find/act", find.act, methods=["POST"]),
        Route("/find/reveal", find.reveal, methods=["POST"]),
        Route("/login", login.login),
        Route("/login", login.log_in, methods=["POST"]),
        Route("/logout", login.log_out, methods=["POST"]),
        Route("/healthz", health.healthz),
        Route("/readyz", health.Readiness(context).answer),
        Route("/metrics", metrics.answer),
        Mount("/static", StaticFiles(directory=_STATIC)),
        *door,
    ]
    application = Starlette(
        routes=routes,
        middleware=[
            Middleware(Began),
            Middleware(SafeHeaders),
            Middleware(
                Guard,
                settings=context.settings.web,
                access=context.access,
                attempts=context.attempts,
                refused_page=context.rendering.refused,
            ),
        ],
        exception_handlers={
            PublisherError: problem_page,
            ClientDisconnect: gone,
            404: no_such_page,
            Exception: our_fault,
        },
    )
    # A path with a slash too many is no path: a redirection would name the host that the request names.
    application.router.redirect_slashes = False
    application.state.context = context
    return application
