"""The page of the malformed intents and delivery events that wait: those that match, and sending them all again."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.errors import BadRequest
from publisher.domain.rejection import RejectionCode
from publisher.operations.changes.bulk import Change
from publisher.operations.malformed.records import MalformedFilter, list_malformed
from publisher.operations.malformed.resubmit import resubmission
from publisher.operations.malformed.resubmit_many import count_bounded, plan_resubmission
from publisher.web.command_line import command_line
from publisher.web.context import WebContext
from publisher.web.pages.beginning import begin
from publisher.web.pages.fields import number_of, text_of, window_of
from publisher.web.pages.filtered import filtered
from publisher.web.pages.page import context_of, form_of, visitor_of
from storage.database import Database

_PREVIEW = 10
_TYPED = ("code", "stream", "since", "until", "which")
# Those that wait, unless the visitor asks for others.
_WHICH: Mapping[str, bool | None] = {"waiting": False, "resubmitted": True, "all": None}


async def malformed(request: Request) -> Response:
    """Shows how many malformed intents match the filter, and the newest ten of them."""
    return await _page(request, dict(request.query_params))


async def resubmit_matching(request: Request) -> Response:
    """Sends those again, unchanged, that match the form, wait, and were there when its page was shown."""
    context, form, by = context_of(request), await form_of(request), visitor_of(request).name
    try:
        matching = _filter({**form, "which": ""}, bound=number_of(form, "up_to", "it comes from the page", least=0))
        return await begin(request, form, partial(_plan, context, matching, by))
    except BadRequest as error:
        return await _page(request, form, str(error), 400)


def _plan(context: WebContext, matching: MalformedFilter, by: str, database: Database) -> Change:
    return plan_resubmission(database, resubmission(context.settings, context.servers), matching, by).change


def _filter(fields: Mapping[str, str], bound: int | None = None) -> MalformedFilter:
    """Returns the filter that the fields say. bound: the newest that may match; None: any. Raises BadRequest."""
    code, stream = text_of(fields, "code"), text_of(fields, "stream")
    if code is not None and code not in list(RejectionCode):
        raise BadRequest(f"nothing is malformed for the code {code!r}: choose one of the list")
    which = text_of(fields, "which") or "waiting"
    if which not in _WHICH:
        raise BadRequest(f"{which!r} is none of {', '.join(_WHICH)}")
    since, until = window_of(fields)
    return MalformedFilter(code, since, until, stream, _WHICH[which], bound)


async def _page(request: Request, fields: Mapping[str, str], error: str = "", status: int = 200) -> Response:
    settings = context_of(request).settings
    choices = {
        "codes": [code.value for code in RejectionCode],
        "choices": list(_WHICH),
        "streams": [*settings.intents_streams, settings.events_stream],
    }
    return await filtered(
        request, "malformed.html", fields, _TYPED, choices, lambda: _found(request, _filter(fields)), error, status
    )


async def _found(request: Request, matching: MalformedFilter) -> dict[str, Any]:
    context = context_of(request)
    found = await context.reading.sections(
        {
            "counted": partial(count_bounded, context.shown, matching),
            "newest": partial(list_malformed, context.shown, matching, before=None, limit=_PREVIEW),
        }
    )
    options = {
        "--code": matching.failure_code,
        "--stream": matching.stream,
        "--since": matching.since,
        "--until": matching.until,
    }
    every = () if any(options.values()) else ("--all",)
    which = {False: (), True: ("--resubmitted",), None: ("--all",)}[matching.resubmitted]
    return found | {
        "may_send": matching.resubmitted is False,
        "list_line": command_line("publisher malformed list", options, *which),
        "send_line": command_line("publisher malformed resubmit", options, *every, "--unchanged", "--yes"),
    }
