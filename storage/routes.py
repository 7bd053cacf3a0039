"""Looking at routes: one, or a page of those that match. Nothing here changes anything."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from publisher.domain.notification import RouteStatus
from storage.database import Database
from storage.models import Notification, Route


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """A route as it stands, with its notification's type. id is the database's key and the place in a listing.

    replay: how often an operator had it published again. stream: where its command stands, or may stand from an attempt
    that was cut off.
    """

    id: int
    notification_id: str
    route_id: str
    notification_type: str
    channel: str
    status: RouteStatus
    attempt_count: int
    max_attempts: int
    next_attempt_at: datetime | None
    recipient_ref: str
    resolved_email: str | None
    resolved_locale: str | None
    last_failure_classification: str | None
    last_failure_message: str | None
    last_failure_at: datetime | None
    lease_token: str | None
    lease_expires_at: datetime | None
    lease_loss_count: int
    stream: str | None
    stream_entry_id: str | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    dead_lettered_at: datetime | None
    replay: int


@dataclass(frozen=True, slots=True)
class RouteFilter:
    """Which routes: those that match everything that is given."""

    channel: str | None = None
    status: RouteStatus | None = None
    notification_id: str | None = None
    notification_type: str | None = None


def list_routes(database: Database, matching: RouteFilter, *, before: int | None, limit: int) -> list[RouteRecord]:
    """Up to `limit` routes, newest first. before: the id of the last one seen, for the next page."""
    query = _select()
    given = {
        Route.channel: matching.channel,
        Route.status: matching.status and matching.status.value,
        Route.notification: matching.notification_id,
        Notification.notification_type: matching.notification_type,
    }
    for column, value in given.items():
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(Route.id < before)
    with database.unit() as connection:
        return [_record(row) for row in query.order_by(Route.id.desc()).limit(limit).dicts().execute(connection)]


def find_routes(
    database: Database, notification_id: str, route_ids: Collection[str] | None = None
) -> list[RouteRecord]:
    """The routes of a notification, all or those named, in the order of their ids."""
    query = _select().where(Route.notification == notification_id).order_by(Route.id)
    if route_ids is not None:
        query = query.where(Route.route_id.in_(list(route_ids)))
    with database.unit() as connection:
        return [_record(row) for row in query.dicts().execute(connection)]


def _select() -> Any:
    columns = [getattr(Route, name) for name in RouteRecord.__dataclass_fields__ if hasattr(Route, name)]
    return Route.select(*columns, Notification.notification_type).join(Notification)


def _record(row: Mapping[str, Any]) -> RouteRecord:
    fields = dict(row)
    fields["notification_id"] = str(fields.pop("notification"))
    fields["status"] = RouteStatus(fields["status"])
    return RouteRecord(**fields)
