"""Reads ids on the command line, in every form in which they are printed."""

import re
import uuid
from typing import Annotated

import typer

from publisher.domain.errors import BadRequest

NotificationId = Annotated[str, typer.Argument(help="A notification id, or a whole delivery id.")]
RouteId = Annotated[str | None, typer.Argument(help="A route id, such as email:user:7.")]
MalformedId = Annotated[str, typer.Argument(metavar="ID", help="A malformed intent's id, or its stream entry id.")]


def delivery(notification_id: str, route_id: str | None) -> tuple[str, str | None]:
    """Returns the notification id and the route id of two arguments, or of a delivery id in the first.

    Raises BadRequest for what cannot be one.
    """
    if route_id is None and "/" in notification_id:
        notification_id, _, route_id = notification_id.partition("/")
    try:
        return str(uuid.UUID(notification_id)), route_id
    except ValueError:
        raise BadRequest(f"{notification_id!r} is no notification id: those look like {uuid.UUID(int=0)}") from None


def malformed(text: str) -> int | str:
    """Returns the id of a malformed intent as a number, or its stream entry id. Raises BadRequest for neither."""
    if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"[0-9]{1,20}-[0-9]{1,20}", text, re.ASCII):
        return text
    raise BadRequest(f"{text!r} is no id of a malformed intent: those look like 17, or like 1773480413589-0")
