"""Ids on the command line, accepted in every form in which they are printed."""

import uuid
from typing import Annotated

import typer

from publisher.domain.errors import BadRequest

NotificationId = Annotated[str, typer.Argument(help="A notification id, or a whole delivery id.")]
RouteId = Annotated[str | None, typer.Argument(help="A route id, such as email:user:7.")]


def delivery(notification_id: str, route_id: str | None) -> tuple[str, str | None]:
    """The notification id and route id of two arguments, or of a delivery id in the first.

    Raises BadRequest for what cannot be one.
    """
    if route_id is None and "/" in notification_id:
        notification_id, _, route_id = notification_id.partition("/")
    try:
        return str(uuid.UUID(notification_id)), route_id
    except ValueError:
        raise BadRequest(f"{notification_id!r} is no notification id: those look like {uuid.UUID(int=0)}") from None
