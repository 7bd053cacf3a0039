"""Sends held messages again, or settles them, for the page Holds (R33)."""

from collections.abc import Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.errors import BadRequest
from publisher.operations.changes.bulk import Change
from publisher.operations.held import HeldFilter, SettledAs, plan_send, plan_settle
from publisher.web.pages.beginning import begin
from publisher.web.pages.fields import text_of
from publisher.web.pages.holds import holds_page
from publisher.web.pages.page import form_of, visitor_of
from storage.database import Database


async def send_held(request: Request) -> Response:
    """Has the mail service send held messages again: those of the notification that the form names, or all."""
    return await _begun(request, "send")


async def settle_held(request: Request) -> Response:
    """Says what became of such messages: the field `as` is accepted or failed."""
    return await _begun(request, "settle")


async def _begun(request: Request, verb: str) -> Response:
    form, by = await form_of(request), visitor_of(request).name
    try:
        return await begin(request, form, partial(_plan, verb, form, by))
    except BadRequest as error:
        values = {"error": str(error), "notification": form.get("notification", ""), "rate": form.get("rate", "")}
        return await holds_page(request, values, 400)


def _plan(verb: str, form: Mapping[str, str], by: str, database: Database) -> Change:
    matching = HeldFilter(notification_id=text_of(form, "notification"))
    if verb == "send":
        return plan_send(database, matching, by)
    settled_as = form.get("as", "")
    if settled_as not in list(SettledAs):
        raise BadRequest("say what became of them: accepted or failed")
    return plan_settle(database, matching, SettledAs(settled_as), by)
