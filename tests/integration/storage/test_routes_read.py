"""Reading routes: as they stand at one instant of the database's clock (R5)."""

from datetime import timedelta

from publisher.domain.circuit import Gate
from publisher.domain.notification import RouteStatus
from publisher.operations.explain.explain import explain
from publisher.operations.explain.explanation import RouteState
from storage.claiming.claims import claim_due
from storage.database import Database
from storage.routes import RouteRecord, find_routes
from tests.integration.rows import change, due_routes, execute, expire_leases, one_route, rows


def notification(database: Database) -> str:
    return str(rows(database, "SELECT notification_id FROM notifications")[0]["notification_id"])


def state(record: RouteRecord) -> RouteState:
    return explain(record, Gate(record.channel), "stream").state


def test_every_column_is_where_it_belongs(database: Database) -> None:
    """What is read is what stands in the row, under the same names."""
    [id_] = due_routes(database, 1)
    claim_due(database, "email", limit=1, lease_ttl=timedelta(seconds=30))
    change(database, [id_], "replay = 3, lease_loss_count = 2, attempt_count = 1, expires_at = now() + interval '1 h'")
    execute(database, "UPDATE notifications SET not_before = '2026-03-14Z'")
    change(database, [id_], "last_failure_classification = 'c', last_failure_message = 'm', last_failure_at = now()")

    [record] = find_routes(database, notification(database), None, limit=10)

    row = one_route(database, id_)
    for name in set(RouteRecord.__dataclass_fields__) - {"read_at", "notification_id", "not_before"}:
        assert getattr(record, name) == row[name], name
    assert record.notification_id == str(row["notification_id"])
    assert record.not_before == rows(database, "SELECT not_before FROM notifications")[0]["not_before"] is not None
    assert record.status is RouteStatus.PENDING


def test_a_lease_is_judged_by_the_database_s_clock(database: Database) -> None:
    """A lease that holds is told as held, one that ended as free: by the instant of the very statement (R5)."""
    due_routes(database, 1)
    id_ = notification(database)
    assert state(find_routes(database, id_, None, limit=1)[0]) is RouteState.DUE

    claim_due(database, "email", limit=1, lease_ttl=timedelta(seconds=30))
    assert state(find_routes(database, id_, None, limit=1)[0]) is RouteState.LEASED

    expire_leases(database)
    assert state(find_routes(database, id_, None, limit=1)[0]) is RouteState.DUE


def test_routes_are_read_in_order_and_bounded(database: Database) -> None:
    """Of a notification's many routes the first so many are read; a route id reads that one; an unknown one none."""
    due_routes(database, 5)
    id_ = notification(database)

    assert [f.route_id for f in find_routes(database, id_, None, limit=3)] == [f"email:user:{n}" for n in range(3)]
    assert [f.route_id for f in find_routes(database, id_, "email:user:4", limit=3)] == ["email:user:4"]
    assert find_routes(database, id_, "email:user:5", limit=3) == []
    assert find_routes(database, "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11", None, limit=3) == []
