"""The page Find: everything that an id leads to, from the intent to its answers, and what may be done (R34, R36)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.errors import BadRequest, NotFound, PublisherError
from publisher.domain.masking import masked
from publisher.operations.addresses import record_showing
from publisher.operations.explain.cancellation_answer import cancelled_by
from publisher.operations.ids.choice import Choice, OtherKind, UnknownId
from publisher.operations.ids.resolution import Named
from publisher.operations.ids.wording import said
from publisher.operations.remedy.carry_out import carry_out_remedy
from publisher.operations.remedy.remedy import Remedy
from publisher.operations.trace import wording as route_wording
from publisher.web.context import WebContext
from publisher.web.pages.find_done import done, done_query
from publisher.web.pages.find_offers import find_path, near_paths, offer, thing_path
from publisher.web.pages.find_way import Way, WayReading
from publisher.web.pages.page import context_of, form_of, rendered, see_other, visitor_of
from publisher.web.reading import NotRead

# As the terminal has it: more than a delivery id can have.
_LONGEST = 4_096
# How many routes of a notification are shown at first, and at most.
_ROUTES, _MOST_ROUTES = 20, 1_000
_WORDS = {
    "cancelled_by": cancelled_by,
    "event_lines": route_wording.event_lines,
    "find_path": find_path,
    "notification_lines": route_wording.notification_lines,
    "offer": offer,
    "route_parts": route_wording.route_parts,
    "said": said,
    "standing": route_wording.standing,
    "thing_path": thing_path,
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is looked for. producer: of an idempotency key, this one's; None: anybody's. routes: shown at most."""

    id: str
    producer: str | None = None
    routes: int = _ROUTES

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> "_Asked":
        """Reads it from a query or a form. Whatever is no number of routes counts as the usual one."""
        wanted = fields.get("routes", "")
        routes = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 5 else _ROUTES
        return cls(fields.get("id", "").strip(), fields.get("producer") or None, min(max(routes, 1), _MOST_ROUTES))

    @property
    def problem(self) -> str:
        """Says why nothing can have such an id. Blank: something may have it."""
        if len(self.id) > _LONGEST:
            return f"an id has at most {_LONGEST:,} characters, and this one {len(self.id):,}"
        if "\0" in self.id or "\0" in (self.producer or ""):
            return "no id holds the character NUL"
        return ""


async def find(request: Request) -> Response:
    """Shows everything that an id leads to. After a change the query says which, and the page what came of it."""
    return await _page(request, _Asked.of(request.query_params))


async def act(request: Request) -> Response:
    """Carries out a remedy that the page offers, and shows the same id again."""
    context, form = context_of(request), await form_of(request)
    asked, about = _Asked.of(form), form.get("about", "")
    try:
        remedy = _remedy(form.get("remedy", ""))
        action = await context.changing.one(
            partial(
                carry_out_remedy,
                context.changed,
                context.settings,
                remedy,
                about,
                visitor_of(request).name,
                context.wake,
            )
        )
    except (BadRequest, NotFound) as error:
        return await _page(request, asked, error=str(error), status=400)
    return see_other(find_path(asked.id, asked.producer, routes=asked.routes, **done_query(remedy, about, action)))


async def reveal(request: Request) -> Response:
    """Shows the page with addresses, once it is on record who saw those of which notifications."""
    return await _page(request, _Asked.of(await form_of(request)), reveal=True)


async def _page(
    request: Request, asked: _Asked, *, error: str = "", status: int = 200, reveal: bool = False
) -> Response:
    values: dict[str, Any] = {**_WORDS, "asked": asked, "way": None, "unread": None, "things": [], "near": []}
    values |= {"done": None, "done_unread": None, "redis_unread": None, "reveal": False}
    values |= {"error": error or asked.problem, "next_routes": 0, "back": asked.id}
    if not asked.id or asked.problem:
        return rendered(request, "find.html", "Find", values, 400 if asked.problem else status)
    context = context_of(request)
    found = await _read(context, asked, request.query_params if request.method == "GET" else {})
    shown = found["recorded"] if isinstance(found["whole"], NotRead) else found["whole"]
    came = found.get("done")
    values["done_unread" if isinstance(came, NotRead) else "done"] = came
    if isinstance(shown, NotRead):
        values["unread"] = shown
    elif isinstance(shown, Way):
        back = asked.id if masked(asked.id) == asked.id else next(iter(shown.notification_ids), "")
        values |= {"way": shown, "back": back, "next_routes": min(asked.routes * 5, _MOST_ROUTES)}
        values["redis_unread"] = found["whole"] if isinstance(found["whole"], NotRead) else None
        if reveal and shown.notification_ids:
            by = visitor_of(request).name
            await context.changing.one(partial(record_showing, context.changed, shown.notification_ids, by))
            values["reveal"] = True
    else:
        values |= {"error": error or _worded(asked, shown), "things": _things(shown), "near": _near(shown)}
        status = 404 if isinstance(shown, NotFound) and not error else status
    return rendered(request, "find.html", "Find", values, status)


async def _read(context: WebContext, asked: _Asked, query: Mapping[str, str]) -> dict[str, Any]:
    way = WayReading(context, asked.id, asked.producer, asked.routes)
    reads: dict[str, Callable[[], Any]] = {"recorded": way.recorded, "whole": way.whole}
    if (came := done(context, query)) is not None:
        reads["done"] = came
    return await context.reading.sections(reads)


def _remedy(name: str) -> Remedy:
    try:
        return Remedy(name)
    except ValueError as error:
        raise BadRequest(f"there is no remedy {name!r}") from error


def _worded(asked: _Asked, error: PublisherError) -> str:
    if isinstance(error, Choice):
        return error.text
    if isinstance(error, OtherKind):
        return f"{asked.id!r} is {said(error.thing)}"
    return str(error)


def _things(error: PublisherError) -> Sequence[Named]:
    if isinstance(error, Choice):
        return error.things
    return [error.thing] if isinstance(error, OtherKind) else []


def _near(error: PublisherError) -> Sequence[tuple[str, str]]:
    return near_paths(error.keys) if isinstance(error, UnknownId) else []
