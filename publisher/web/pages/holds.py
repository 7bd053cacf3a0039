"""The page Holds: what keeps routes from being published, with adding and removing a hold; and the held messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.errors import BadRequest, PublisherError, Unavailable
from publisher.operations.held import HeldFilter, HeldMail, count_held_mail, list_held_mail
from publisher.operations.holds import holds as operations
from publisher.operations.holds.holds import Held, HoldCriteria, HoldRecord
from publisher.operations.holds.wording import held_number, may_go, open_routes
from publisher.operations.names import check_channel, check_recipient
from publisher.web.command_line import command_line
from publisher.web.context import WebContext
from publisher.web.pages.page import context_of, form_of, rendered, see_other, status_of, visitor_of
from publisher.web.reading import NotRead

# Of the held messages the page shows so many, those held last.
_PREVIEW = 10
_CRITERIA = {"channel": "channel", "type": "notification_type", "producer": "producer", "recipient": "recipient_ref"}


@dataclass(frozen=True, slots=True)
class HeldMessages:
    """The held messages that match. newest: those held last, each with the id of its notification."""

    count: int
    newest: Sequence[tuple[str, HeldMail]]


async def holds(request: Request) -> Response:
    """Shows the holds and the held messages. After a change, `added` or `removed` in the query names the hold."""
    return await holds_page(request)


async def add(request: Request) -> Response:
    """Adds a hold once its number of routes was seen: at first, that number is shown, with a button to confirm."""
    context, form = context_of(request), await form_of(request)
    try:
        criteria = _criteria(form)
        if not form.get("confirmed"):
            return await _preview(request, criteria, form)
        hold = await context.changing.one(partial(_add, context, criteria, visitor_of(request).name, form["reason"]))
    except PublisherError as error:
        return await holds_page(request, {"error": str(error), "typed": form}, status_of(error))
    return see_other(f"/waiting/holds?added={hold.id}")


async def hold(request: Request) -> Response:
    """Shows a hold, and what may go once it is removed, with a button that removes it. Answers 404 for none."""
    context = context_of(request)
    found = await context.reading.one(partial(operations.find, context.shown, request.path_params["hold"]))
    others = await context.reading.sections({"others": partial(operations.held_by_others, context.shown, found)})
    values = {"hold": found, **others, "may_go": may_go, "worded": operations.worded}
    return rendered(request, "hold.html", "Waiting for you", values)


async def remove(request: Request) -> Response:
    """Removes a hold, and wakes the workers of its channels."""
    context, by = context_of(request), visitor_of(request).name
    removed = await context.changing.one(partial(_remove, context, request.path_params["hold"], by))
    return see_other(f"/waiting/holds?removed={removed.id}")


async def holds_page(request: Request, values: Mapping[str, Any] | None = None, status: int = 200) -> Response:
    """Returns the page. values: what stands in it besides: an error, and what was typed."""
    context = context_of(request)
    notification = (values or {}).get("notification", request.query_params.get("notification", "").strip())
    found = await context.reading.sections(
        {
            "holds": partial(operations.list_holds, context.shown),
            "counts": partial(_counts, context),
            "mail": partial(_held_messages, context, HeldFilter(notification_id=notification or None)),
        }
    )
    shown = {
        **{name: None if isinstance(value, NotRead) else value for name, value in found.items()},
        "unread": {name: value for name, value in found.items() if isinstance(value, NotRead)},
        "done": "" if isinstance(found["holds"], NotRead) else _done(request, found["holds"]),
        "channels": sorted(context.settings.channels),
        "typed": {},
        "number": held_number,
        "notification": notification,
        "rate": "",
        "which": notification or "--all",
    }
    return rendered(request, "holds.html", "Waiting for you", {**shown, **(values or {})}, status)


async def _preview(request: Request, criteria: HoldCriteria, form: Mapping[str, str]) -> Response:
    context = context_of(request)
    held: Held | None = None
    remarks: Sequence[str] = ()
    try:
        held, remarks = await context.reading.one(partial(_planned, context, criteria))
    except Unavailable as error:
        remarks = [f"How many match now could not be counted: {error}"]
    values = {
        "what": operations.worded(criteria),
        "matches": None if held is None else open_routes(held),
        "remarks": remarks,
        "form": {name: form.get(name, "") for name in [*_CRITERIA, "reason"]},
        "line": command_line(
            "publisher holds add", {f"--{name}": form.get(name) for name in [*_CRITERIA, "reason"]}, "--yes"
        ),
    }
    return rendered(request, "hold_new.html", "Waiting for you", values)


def _criteria(form: Mapping[str, str]) -> HoldCriteria:
    """Returns what the form says to hold. Raises BadRequest if it says nothing of that, or not why."""
    criteria = HoldCriteria(**{field: form.get(name) or None for name, field in _CRITERIA.items()})
    if criteria == HoldCriteria():
        raise BadRequest("say what to hold: a channel, a type, a producer, a recipient, or several of them")
    if not form.get("reason"):
        raise BadRequest("say why: the reason is shown to whoever asks why a route waits")
    return criteria


def _planned(context: WebContext, criteria: HoldCriteria) -> tuple[Held, Sequence[str]]:
    held = operations.plan(context.shown, context.settings, criteria)
    unseen = [] if held.count else operations.unseen(context.shown, criteria)
    return held, [*operations.alike(context.shown, criteria), *unseen]


def _add(context: WebContext, criteria: HoldCriteria, by: str, reason: str) -> HoldRecord:
    check_channel(context.changed, context.settings, criteria.channel)
    check_recipient(criteria.recipient_ref)
    return operations.add(context.changed, criteria, by, reason)


def _remove(context: WebContext, hold_id: int, by: str) -> HoldRecord:
    removed = operations.remove(context.changed, hold_id, by)
    for channel in operations.channels_of(context.settings, removed):
        context.wake(channel)
    return removed


def _counts(context: WebContext) -> dict[int, Held]:
    return operations.held_now(context.shown, operations.list_holds(context.shown))


def _held_messages(context: WebContext, matching: HeldFilter) -> HeldMessages:
    count, _ = count_held_mail(context.shown, matching)
    newest = list_held_mail(context.shown, matching, before=None, limit=_PREVIEW)
    # A delivery id may hold an address: the page names its notification.
    return HeldMessages(count, [(each.delivery_id.partition("/")[0], each) for each in newest])


def _done(request: Request, found: Sequence[HoldRecord]) -> str:
    """Says what became of the hold that was changed: as it is now, whoever changed it since."""
    added, removed = request.query_params.get("added"), request.query_params.get("removed")
    there = {str(each.id): each for each in found}
    if added in there:
        return f"Hold {added} is in force: {operations.worded(there[added].criteria)}."
    if removed is not None and removed.isdecimal() and removed not in there:
        return f"Hold {int(removed)} is removed."
    return ""
