"""What is read of delivery events and of the mail service's deliveries."""

from datetime import timedelta

from publisher.domain.delivery_event import EventKind, Fault, Permanence
from storage.answers import event_history
from storage.database import Database
from storage.mail import progress as mail_progress
from tests.integration.answered_routes import answer, mail, published_routes
from tests.integration.rows import execute, rows

HOUR = timedelta(hours=1)


def test_events_come_in_the_order_in_which_they_happened(database: Database) -> None:
    """An event that was told late stands where it happened; of very many the last that were told (R32)."""
    first, second = published_routes(database, 2)
    answer(database, first, "bounced", fault="recipient", diagnostic="no such user")
    answer(database, first, "accepted", ago=HOUR)
    answer(database, second, "delivered")

    found = event_history.event_history(database, [first, second], limit=10)
    newest = event_history.event_history(database, [first], limit=1)

    assert [e.event for e in found[first]] == [EventKind.ACCEPTED, EventKind.BOUNCED]
    assert [e.event for e in found[second]] == [EventKind.DELIVERED]
    assert [e.event for e in newest[first]] == [EventKind.ACCEPTED]


def test_every_column_is_where_it_belongs(database: Database) -> None:
    """What is read of an event and of a delivery is what stands in the rows, under the same names."""
    [id_] = published_routes(database, 1)
    answer(database, id_, "bounced", fault="recipient", diagnostic="no such user")
    execute(database, "UPDATE delivery_events SET provider_ref = 'p', detail = '{\"a\": 1.0}', stream_entry_id = '9-9'")
    mail(database, id_, "waiting", tries=3, unsure=1)

    [event] = event_history.event_history(database, [id_], limit=10)[id_]
    progress = mail_progress.mail_progress(database, [id_])[id_]

    [row] = rows(database, "SELECT *, detail::text AS detail_json FROM delivery_events")
    for name in type(event).__dataclass_fields__:
        assert getattr(event, name) == row[name], name
    assert (event.event, event.permanence, event.fault) == (EventKind.BOUNCED, Permanence.PERMANENT, Fault.RECIPIENT)
    [row] = rows(database, "SELECT * FROM mail_deliveries")
    for name in type(progress).__dataclass_fields__:
        assert getattr(progress, name) == row[name], name


def test_a_route_without_any_is_missing(database: Database) -> None:
    """Nothing was answered, and the mail service has not taken it up."""
    [id_] = published_routes(database, 1)

    assert event_history.event_history(database, [id_], limit=10) == {}
    assert mail_progress.mail_progress(database, [id_]) == {}
    assert event_history.event_history(database, [], limit=10) == {}


def test_both_are_found_by_the_route(database: Database) -> None:
    """However many events and deliveries there are, those of a route cost a step into an index."""
    ids = [*published_routes(database, 3)]
    for id_ in ids:
        answer(database, id_, "accepted")
        mail(database, id_, "sent")
    with database.unit() as connection, connection.atomic():
        connection.execute_sql("SET LOCAL enable_seqscan = off")
        events = connection.execute_sql(f"EXPLAIN {event_history._OF_ROUTES}", {"keys": ids, "limit": 9}).fetchall()
        mails = connection.execute_sql(f"EXPLAIN {mail_progress._OF_ROUTES}", [ids]).fetchall()

    assert "delivery_events_of_route" in str(events)
    assert "mail_deliveries_of_route" in str(mails)
