"""The page of published routes by their answer, those that nobody answered first, to publish them again."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.answer import AnswerIs
from publisher.domain.delivery_event import Fault
from publisher.domain.errors import BadRequest, PublisherError
from publisher.operations.changes.republish import (
    LOOKED_THROUGH,
    Counted,
    PublishedFilter,
    count_published,
    newest_published,
    plan_republish,
)
from publisher.operations.changes.unanswered import NothingMissed, unanswered
from publisher.web.command_line import command_line
from publisher.web.context import WebContext
from publisher.web.pages.beginning import begin
from publisher.web.pages.fields import one_of, text_of, window_of
from publisher.web.pages.filtered import filtered
from publisher.web.pages.page import context_of, form_of, visitor_of

_PREVIEW = 10
_TYPED = ("channel", "answer", "fault", "type", "since", "until")
# A recipient who complained is not sent the same again.
_ANSWERS = [answer for answer in AnswerIs if answer is not AnswerIs.COMPLAINED]


async def routes(request: Request) -> Response:
    """Shows how many routes of a channel match the filter, and the ten published last."""
    context, fields = context_of(request), dict(request.query_params)
    defaults = {"channel": _channel_in_need(context), "answer": AnswerIs.NONE.value}
    return await _page(request, defaults | {name: text for name, text in fields.items() if text})


async def republish(request: Request) -> Response:
    """Publishes again those that match the form, and were published when its page was shown."""
    context, by, form = context_of(request), visitor_of(request).name, await form_of(request)
    try:
        matching = _filter(form)
        _check_bounded(matching)
        return await begin(request, form, lambda database: plan_republish(database, context.settings, matching, by))
    except BadRequest as error:
        return await _page(request, form, str(error), 400)


def _channel_in_need(context: WebContext) -> str:
    """Returns the channel to begin with: one with unanswered routes, or one that expects answers; blank: none is."""
    newest, channels = context.history.newest(), context.settings.channels
    store = None if newest is None else newest[0].store
    late = {} if store is None or isinstance(store, PublisherError) else store.unanswered
    order = sorted(
        channels, key=lambda name: (name not in late or not late[name].count, not channels[name].answer_within)
    )
    return order[0] if order else ""


def _filter(fields: Mapping[str, str]) -> PublishedFilter:
    since, until = window_of(fields)
    answer, fault = one_of(fields, "answer", AnswerIs), one_of(fields, "fault", Fault)
    return PublishedFilter(
        text_of(fields, "channel"), text_of(fields, "type"), since, until, answer=answer, fault=fault
    )


def _check_bounded(matching: PublishedFilter) -> None:
    """Raises BadRequest for a filter that takes whatever was ever published."""
    if matching.channel is None:
        raise BadRequest("choose a channel")
    if matching.since is None and not matching.answered.is_ill:
        raise BadRequest("say since when they were published: most routes end so")


async def _page(request: Request, fields: Mapping[str, str], error: str = "", status: int = 200) -> Response:
    choices = {
        "channels": sorted(context_of(request).settings.channels),
        "answers": [answer.value for answer in _ANSWERS],
        "faults": [fault.value for fault in Fault],
    }
    return await filtered(
        request, "unanswered.html", fields, _TYPED, choices, lambda: _found(request, _filter(fields)), error, status
    )


async def _found(request: Request, matching: PublishedFilter) -> dict[str, Any]:
    """Reads what matches. Raises BadRequest for a name that nothing has, and for a filter without a bound."""
    context = context_of(request)
    settings, database = context.settings, context.shown

    def chosen() -> PublishedFilter | NothingMissed:
        if matching.answer is AnswerIs.NONE and matching.since is None and matching.channel is not None:
            return unanswered(database, settings, matching.channel, matching)
        _check_bounded(matching)
        return matching

    def counted() -> Counted | NothingMissed:
        found = chosen()
        return found if isinstance(found, NothingMissed) else count_published(database, settings, found)

    def newest() -> object:
        found = chosen()
        return [] if isinstance(found, NothingMissed) else newest_published(database, found, limit=_PREVIEW)

    found = await context.reading.sections({"counted": counted, "newest": newest})
    exact = found["counted"].matching if isinstance(found["counted"], Counted) else matching
    return found | {"line": _line(exact), "preview": _PREVIEW, "looked_through": LOOKED_THROUGH}


def _line(matching: PublishedFilter) -> str:
    """Returns the command that the button equals."""
    options = {
        "--channel": matching.channel,
        "--type": matching.notification_type,
        "--answer": matching.answer,
        "--fault": matching.fault,
        "--since": matching.since,
        "--until": matching.until,
    }
    return command_line("publisher routes republish", options, "--yes")
