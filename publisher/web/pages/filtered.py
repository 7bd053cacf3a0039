"""The page of a filter: what was typed into it, and what matches, of things that wait for an operator."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.errors import BadRequest
from publisher.web.pages.page import rendered


async def filtered(
    request: Request,
    template: str,
    fields: Mapping[str, str],
    typed: Sequence[str],
    choices: Mapping[str, object],
    read: Callable[[], Awaitable[Mapping[str, Any]]],
    error: str = "",
    status: int = 200,
) -> Response:
    """Shows what matches the fields. One that is wrong is said, and nothing is shown then.

    typed: the names of the filter's fields. choices: what its lists offer.
    read: reads what matches: `counted`, and whatever else the template shows. Raises BadRequest for a field that is
        wrong, which an `error` of a change outweighs.
    """
    found: Mapping[str, Any] = {"counted": None}
    try:
        found = await read()
    except BadRequest as wrong:
        error, status = error or str(wrong), 400
    filled = {"typed": {name: fields.get(name, "") for name in typed}, "rate": fields.get("rate", "")}
    return rendered(request, template, "Waiting for you", {**filled, **choices, **found, "error": error}, status)
