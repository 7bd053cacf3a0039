"""Begins a change of many routes that somebody confirmed on a page (R34)."""

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.errors import BadRequest
from publisher.operations.changes.bulk import Change
from publisher.web.pages.fields import number_of, rate_of
from publisher.web.pages.page import context_of, see_other
from storage.database import Database


async def begin(request: Request, form: Mapping[str, str], plan: Callable[[Database], Change]) -> Response:
    """Counts the change anew, begins it, and leads to its action, where its progress is seen.

    form: has the fields rate, which may be blank, and count: how many the page showed, and the visitor agreed to.
    Raises BadRequest if nothing matches any more, or more than was agreed to; what `plan` and `Running.begin` raise;
    and Unavailable if it cannot be counted within the time of a page, or begun within that of a change.
    """
    context = context_of(request)
    rate = rate_of(form)
    agreed = number_of(form, "count", "the form must say how many it is about", least=0)
    if agreed is None:
        raise BadRequest("the form must say how many it is about: load the page again")
    change = await context.reading.one(lambda: plan(context.shown))
    if not change.matched:
        raise BadRequest("nothing matches any more: somebody else has dealt with it")
    if change.matched > agreed:
        raise BadRequest(
            f"{change.matched:,} match by now, and the page showed {agreed:,}: look at them, and ask again"
        )
    action = await context.changing.one(lambda: context.running.begin(change, rate))
    return see_other(f"/actions/{action}")
