"""What each page is made of: the context of the process, whoever asks, and the answer."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from publisher.domain.errors import BadRequest, NotFound, PublisherError, SchemaOutdated, Unavailable
from publisher.web.context import WebContext
from publisher.web.security.access import Visitor
from publisher.web.security.headers import SAFE_HEADERS

# What a form of ours holds at most: an intent that is edited has up to a megabyte (R18).
_FORM_FIELDS = 100
_FORM_FIELD_BYTES = 2 * 1024 * 1024


def context_of(request: Request) -> WebContext:
    """Returns what the pages of this process share."""
    context: WebContext = request.app.state.context
    return context


def visitor_of(request: Request) -> Visitor:
    """Returns whoever sent the request, who may send it."""
    visitor: Visitor = request.state.visitor
    return visitor


def rendered(request: Request, template: str, page: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """Renders a page. page: the name that the list of pages marks as the current one; blank: none of them."""
    rendering = context_of(request).rendering
    return rendering.page(template, visitor_of(request), {"page": page, **values}, status)


def see_other(place: str) -> Response:
    """Sends the browser to the page that says what a change came to: to renew that page changes nothing again."""
    return RedirectResponse(place, 303)


async def form_of(request: Request, largest: int = _FORM_FIELD_BYTES) -> dict[str, str]:
    """Returns the texts of a form, without blanks at their ends; of several fields of one name the last.

    largest: bytes of one field.
    Raises starlette's HTTPException for a form that is too large or is none, and BadRequest for one with the character
    NUL, which PostgreSQL has in no text, or in parts: none of ours is, and each part may name an encoding of its own.
    """
    if "multipart" in request.headers.get("content-type", "").lower():
        raise BadRequest("the form must be sent as application/x-www-form-urlencoded")
    async with request.form(max_fields=_FORM_FIELDS, max_files=0, max_part_size=largest) as form:
        fields = {name: value.strip() for name, value in form.items() if isinstance(value, str)}
    if any("\0" in value for value in fields.values()):
        raise BadRequest("a field of the form holds the character NUL")
    return fields


def problem_page(request: Request, error: Exception) -> Response:
    """Returns the page for an error that a person can do something about. A handler of Starlette."""
    heading, status = _heading(error)
    return rendered(request, "problem.html", "", {"heading": heading, "error": str(error)}, status)


def no_such_page(request: Request, _: Exception) -> Response:
    """Returns the page for a path that nothing is served under. A handler of Starlette."""
    error = "There is no such page: its address may have been cut off, or be that of another version."
    return rendered(request, "problem.html", "", {"heading": "Not found", "error": error}, 404)


def gone(_: Request, __: Exception) -> Response:
    """Answers a client that went away amid its form: nobody reads it. A handler of Starlette."""
    return Response(status_code=400)


def our_fault(_: Request, __: Exception) -> Response:
    """Answers a request that a bug of ours has ended, outside of what adds headers. A handler of Starlette."""
    return PlainTextResponse("the page failed: the log of this process says how\n", 500, SAFE_HEADERS)


def status_of(error: PublisherError) -> int:
    """Returns the status of a page that shows its form again, with the error and with what was typed."""
    return _heading(error)[1]


def _heading(error: Exception) -> tuple[str, int]:
    if isinstance(error, NotFound):
        return "Not found", 404
    if isinstance(error, BadRequest):
        return "That cannot be done", 400
    if isinstance(error, Unavailable):
        return "A server does not answer", 503
    if isinstance(error, SchemaOutdated):
        return "The database is not ready", 503
    return "It failed", 500
