"""Lists and shows dead letters for an operator. `requeue` makes their routes pending again."""

from publisher.domain.errors import NotFound
from publisher.domain.notification import delivery_id_of
from publisher.operations.names import check_channel, check_classification, check_type
from publisher.settings.settings import Settings
from storage import dead_letters as store
from storage.database import Database
from storage.dead_letters import DeadLetterFilter, DeadLetterRecord

__all__ = ["DeadLetterFilter", "DeadLetterRecord", "dead_letters_of", "list_dead_letters"]

# More than one route is ever given up.
_ALL = 1000


def list_dead_letters(
    database: Database, settings: Settings, matching: DeadLetterFilter, *, before: int | None, limit: int
) -> list[DeadLetterRecord]:
    """Lists up to `limit` dead letters, newest first. before: the id of the last one seen, for the next page.

    Raises BadRequest for a channel, type or classification that nothing has.
    """
    check_channel(database, settings, matching.channel)
    records = store.list_dead_letters(database, matching, before=before, limit=limit)
    if not records:
        check_classification(database, settings, matching.classification)
        check_type(database, matching.notification_type)
    return records


def dead_letters_of(
    database: Database, notification_id: str, route_id: str | None, number: int | None = None
) -> list[DeadLetterRecord]:
    """Finds every time that a route, or any route of the notification, was given up, newest first.

    number: of one dead letter; None for all. Raises NotFound.
    """
    matching = DeadLetterFilter(notification_id=notification_id, route_id=route_id, requeued=None, id=number)
    records = store.list_dead_letters(database, matching, before=None, limit=_ALL)
    if not records:
        named = notification_id if route_id is None else delivery_id_of(notification_id, route_id)
        raise NotFound(f"{named} has no dead letter")
    return records
