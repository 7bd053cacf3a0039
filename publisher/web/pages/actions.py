"""The pages of the audit: the actions that operators took, and one action with its progress, to stop or resume it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.errors import BadRequest
from publisher.operations.changes.audited import ActionFilter, ActionOutcome, ActionRecord, find_action, list_actions
from publisher.operations.changes.wording import aim, counts_many, target_words
from publisher.operations.names import near_actions, near_operators
from publisher.operations.resuming import plan_rest, resume_command
from publisher.web.command_line import command_line
from publisher.web.pages.fields import number_of, one_of, rate_of, text_of, window_of
from publisher.web.pages.page import context_of, form_of, rendered, see_other, visitor_of

_PAGE = 50
_TYPED = ("action", "by", "outcome", "since", "until")


async def actions(request: Request) -> Response:
    """Lists the actions that match the filter, newest first."""
    fields = dict(request.query_params)
    typed = {name: fields.get(name, "") for name in _TYPED}
    values: dict[str, Any] = {"typed": typed, "outcomes": [each.value for each in ActionOutcome], "found": None}
    try:
        matching, before = _filter(fields), number_of(fields, "before", "it is an action's number")
    except BadRequest as error:
        return rendered(request, "actions.html", "Actions", values | {"error": str(error)}, 400)
    database = context_of(request).shown

    def found() -> tuple[list[ActionRecord], list[str]]:
        records = list_actions(database, matching, before=before, limit=_PAGE)
        near = [] if records else [*near_actions(database, matching.action), *near_operators(database, matching.by)]
        return records, near

    values |= await context_of(request).reading.sections({"found": found})
    options = {
        "--action": matching.action,
        "--by": matching.by,
        "--outcome": matching.outcome,
        "--since": matching.since,
        "--until": matching.until,
        "--before": before,
    }
    line = command_line("publisher actions list", options)
    return rendered(
        request,
        "actions.html",
        "Actions",
        values | {"aim": aim, "counts_many": counts_many, "line": line, "full": _PAGE},
    )


async def action(request: Request) -> Response:
    """Shows one action: who, when, what it was aimed at, how far it has come, and how it ended."""
    return await _page(request)


async def stop(request: Request) -> Response:
    """Stops an action between two batches, if this process carries it out."""
    id_ = _id(request)
    if not context_of(request).running.stop(id_):
        return await _page(request, f"action {id_} is not under way in this process: it cannot be stopped here", 400)
    return see_other(f"/actions/{id_}")


async def resume(request: Request) -> Response:
    """Does the rest of an action, whoever began it."""
    context, by, id_ = context_of(request), visitor_of(request).name, _id(request)
    form = await form_of(request)
    try:
        rate = rate_of(form)
        change = await context.reading.one(lambda: plan_rest(context.shown, context.settings, context.servers, id_, by))
        await context.changing.one(lambda: context.running.begin(change, rate))
    except BadRequest as error:
        return await _page(request, str(error), 400)
    return see_other(f"/actions/{id_}")


def _filter(fields: dict[str, str]) -> ActionFilter:
    outcome = one_of(fields, "outcome", ActionOutcome)
    return ActionFilter(text_of(fields, "action"), text_of(fields, "by"), outcome, *window_of(fields))


def _id(request: Request) -> int:
    id_: int = request.path_params["id"]
    return id_


async def _page(request: Request, error: str = "", status: int = 200) -> Response:
    context, id_ = context_of(request), _id(request)
    record = await context.reading.one(lambda: find_action(context.shown, id_))
    running = context.running
    values = {
        "record": record,
        "target": target_words({name: value for name, value in record.target.items() if name != "resumed_by"}),
        "resumed_by": record.target.get("resumed_by", []),
        "counts_many": counts_many(record),
        "is_here": running.is_here(id_),
        "is_stopping": running.is_stopping(id_),
        "reason": running.reason(id_),
        "resume_line": resume_command(record),
        "error": error,
    }
    return rendered(request, "action.html", "Actions", values, status)
