"""Routes as an operator lists and shows them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from publisher.domain.errors import BadRequest, NotFound
from publisher.domain.notification import delivery_id_of
from publisher.operations.names import check_channel, check_type
from publisher.settings.settings import Settings
from storage import routes
from storage.answers.answered import AnswerFilter
from storage.database import Database
from storage.routes import RouteFilter, RouteRecord

__all__ = ["AnswerFilter", "RouteFilter", "RouteRecord", "expecting_answers", "find_routes", "list_routes"]


def list_routes(
    database: Database, settings: Settings, matching: RouteFilter, *, before: int | None, limit: int
) -> Sequence[RouteRecord]:
    """Returns up to `limit` routes that match, newest first. before: the id of the last one seen, for the next page.

    Raises BadRequest for a channel or a notification type that nothing has: a misspelled name is no empty list.
    """
    check_channel(database, settings, matching.channel)
    found = routes.list_routes(database, matching, before=before, limit=limit)
    if not found:
        check_type(database, matching.notification_type)
    return found


def expecting_answers(settings: Settings, channel: str | None) -> Mapping[str, timedelta]:
    """Returns how long after its command each channel expects an answer; channels that expect none are left out.

    channel: this one alone. Raises BadRequest if no installed channel is left.
    """
    channels = [each for name, each in settings.channels.items() if channel in (None, name)]
    found = {each.name: each.answer_within for each in channels if each.answer_within}
    if channels and not found:
        variables = " or ".join(each.variable("answer_within") for each in channels)
        raise BadRequest(f"no answer is expected{f' on {channel}' if channel else ''}: see {variables}")
    return found


def find_routes(database: Database, notification_id: str, route_id: str | None) -> Sequence[RouteRecord]:
    """Returns all routes of a notification, or the one that is named, in their order. Raises NotFound for none."""
    found = routes.find_routes(database, notification_id, route_id)
    if found:
        return found
    if route_id is None:
        raise NotFound(f"there is no notification {notification_id}")
    raise NotFound(f"there is no route {delivery_id_of(notification_id, route_id)}")
