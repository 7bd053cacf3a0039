"""The page of the dead letters that wait: those that match, and what to do with them."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.errors import BadRequest
from publisher.operations.changes.dead_letter_change import count_waiting
from publisher.operations.changes.discard import plan_discard
from publisher.operations.changes.requeue import plan_requeue
from publisher.operations.dead_letters import DeadLetterFilter, list_dead_letters
from publisher.operations.names import known_classifications
from publisher.web.command_line import command_line
from publisher.web.pages.beginning import begin
from publisher.web.pages.fields import number_of, text_of, window_of
from publisher.web.pages.filtered import filtered
from publisher.web.pages.page import context_of, form_of, visitor_of

_PREVIEW = 10
_TYPED = ("channel", "type", "classification", "since", "until")


async def dead_letters(request: Request) -> Response:
    """Shows how many dead letters match the filter, and the newest ten of them."""
    return await _page(request, dict(request.query_params))


async def requeue(request: Request) -> Response:
    """Requeues those that match the form, and were there when its page was shown."""
    return await _change(request, "requeue")


async def discard(request: Request) -> Response:
    """Discards those that match the form, and were there when its page was shown."""
    return await _change(request, "discard")


async def _change(request: Request, verb: str) -> Response:
    settings, by = context_of(request).settings, visitor_of(request).name
    form = await form_of(request)
    plan = plan_requeue if verb == "requeue" else plan_discard
    try:
        matching = _filter(form, bound=number_of(form, "up_to", "it comes from the page", least=0))
        return await begin(request, form, lambda database: plan(database, settings, matching, by))
    except BadRequest as error:
        return await _page(request, form, str(error), 400)


def _filter(fields: Mapping[str, str], bound: int | None = None) -> DeadLetterFilter:
    """Returns the filter that the fields say. bound: the newest dead letter that may match; None: any."""
    channel, type_, classification = (text_of(fields, name) for name in ("channel", "type", "classification"))
    return DeadLetterFilter(channel, type_, classification, *window_of(fields), up_to=bound)


async def _page(request: Request, fields: Mapping[str, str], error: str = "", status: int = 200) -> Response:
    channels = context_of(request).settings.channels
    choices = {"channels": sorted(channels), "classifications": known_classifications(channels)}
    return await filtered(
        request, "dead_letters.html", fields, _TYPED, choices, lambda: _found(request, _filter(fields)), error, status
    )


async def _found(request: Request, matching: DeadLetterFilter) -> dict[str, Any]:
    """Reads what matches. Raises BadRequest for a name that nothing has."""
    context = context_of(request)
    settings, database = context.settings, context.shown
    found = await context.reading.sections(
        {
            "counted": lambda: count_waiting(database, settings, matching),
            "newest": lambda: list_dead_letters(database, settings, matching, before=None, limit=_PREVIEW),
        }
    )
    return found | {"requeue_line": _line("requeue", matching), "discard_line": _line("discard", matching)}


def _line(verb: str, matching: DeadLetterFilter) -> str:
    """Returns the command that a button equals. It takes those of the moment at which it is run."""
    options = {
        "--channel": matching.channel,
        "--type": matching.notification_type,
        "--classification": matching.classification,
        "--since": matching.since,
        "--until": matching.until,
    }
    every = () if any(options.values()) else ("--all",)
    return command_line(f"publisher dead-letters {verb}", options, *every, "--yes")
