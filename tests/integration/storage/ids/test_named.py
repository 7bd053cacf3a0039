"""What an id names is looked up by indexes alone, however large the tables are."""

import re
from datetime import timedelta

import pytest

from publisher.operations.ids.forms import forms
from storage.database import Database, Row
from storage.ids import beginnings
from storage.ids.named import NamedKind, Wanted, named, published_as
from storage.ids.near_ids import SUGGESTED, ids_that_begin, malformed_of_key, near_ids
from tests.factories import INSTANT, accepted
from tests.integration.rows import execute

LARGE = (
    *("notifications", "routes", "dead_letters", "operator_actions"),
    *("malformed_intents", "pruned_notifications", "cancellations"),
)

FILL = """
INSERT INTO notifications (notification_id, notification_type, producer, audience_kind, idempotency_key,
                           request_fingerprint, payload, occurred_at, accepted_at, intent_entry_id)
SELECT gen_random_uuid(), 'a', 'b', 'user', 'key-' || n, 'f', '{}', now(), now() - n * interval '1 s', n || '-9'
FROM generate_series(1, 3000) AS n;
INSERT INTO routes (notification_key, route_id, channel, status, max_attempts, recipient_ref, created_at, updated_at,
                    published_at, stream_entry_id)
SELECT id, 'email:user:old', 'email', 'published', 1, 'user:7', now(), now(), accepted_at, intent_entry_id
FROM notifications WHERE producer = 'b';
INSERT INTO dead_letters (notification_id, route_id, channel, notification_type, classification, message, attempt_count,
                          max_attempts, dead_lettered_at)
SELECT gen_random_uuid(), 'r', 'c', 't', 'x', 'm', 1, 1, now() FROM generate_series(1, 3000);
INSERT INTO operator_actions (action, by, target, matched, begun_at)
SELECT 'a', 'b', '{}', 1, now() FROM generate_series(1, 3000);
INSERT INTO malformed_intents (stream, stream_entry_id, failure_code, failure_message, raw_fields, recorded_at)
SELECT 's', n || '-1', 'c', 'm', '{}', now() FROM generate_series(1, 3000) AS n;
INSERT INTO pruned_notifications SELECT gen_random_uuid(), 'f', now() FROM generate_series(1, 3000);
INSERT INTO cancellations (notification_id, producer, idempotency_key, intent_entry_id, requested_at, awaits_intent)
SELECT gen_random_uuid(), 'b', 'early-' || n, n || '-7', now(), true FROM generate_series(1, 3000) AS n;
"""


class Watched(Database):
    """Keeps the last statement, so that its plan can be asked for."""

    statements: list[tuple[str, object]]

    def rows(self, sql: str, parameters: object = ()) -> list[Row]:  # type: ignore[override]
        """As the service's, and remembers the statement."""
        self.statements = [*getattr(self, "statements", []), (sql, parameters)]
        return super().rows(sql, parameters)  # type: ignore[arg-type]

    def plans(self) -> str:
        """How PostgreSQL runs every statement so far."""
        asked, self.statements = self.statements, []
        plans = [Database.rows(self, f"EXPLAIN {sql}", given) for sql, given in asked]  # type: ignore[arg-type]
        return "\n".join(line for plan in plans for (line,) in plan)


@pytest.fixture
def filled(database: Database, database_url: str) -> Watched:
    """3,000 rows in each table."""
    accepted(database)
    for statement in FILL.split(";\n"):
        if statement.strip():
            execute(database, statement)
    for table in LARGE:
        execute(database, f"ANALYZE {table}")
    return Watched(database_url, application_name="test")


TEXTS = ("0bf75ccd-d5bd-5670-b43e-ae8573d426ef", "key-17", "17-1", "17", "dead-letter:17", "a/b", "key:a/b")


def test_an_id_is_looked_up_by_indexes(filled: Watched) -> None:
    """No table is read through: whatever the text can be, each kind has an index. What has none is bounded."""
    for text in TEXTS:
        named(filled, forms(text).wanted)
    beginning = ids_that_begin(filled, "00000000-0000-0000-0000-000000000000", "0fffffff-ffff-ffff-ffff-ffffffffffff")
    published_as(filled, ["email", "push"], "1773480413589-0", INSTANT)

    plans = filled.plans()
    assert [table for table in LARGE if f"Seq Scan on {table}" in plans] == []
    assert re.findall(r"Sort Key: .*::text.*", plans) == []
    assert len(beginning) == SUGGESTED
    assert "routes_published" in plans
    near_ids(filled, "key-17")
    malformed_of_key(filled, ["key-17"])
    assert filled.plans().count("Limit") == 8


def test_a_cancellation_that_waits_for_its_intent_is_named_by_its_key(filled: Watched) -> None:
    """By the key that the producer gave, although no notification has it yet (R28)."""
    [found] = named(filled, forms("early-17").wanted)

    assert (found.kind, found.name, found.detail) == (NamedKind.CANCELLATION, "b", "early-17")


def test_everything_of_an_id_is_named_once(database: Database) -> None:
    """A notification that is found by its id and by its key is one thing."""
    id_ = accepted(database, [{"idempotency_key": "turn-17"}]).accepted[0].intent.notification_id

    [found] = named(database, Wanted([id_], ["0-1"], ["turn-17"]))

    assert (found.kind, found.notification_id, found.name, found.detail) == (
        NamedKind.NOTIFICATION,
        id_,
        "game-service",
        "turn-17",
    )


def test_a_published_route_is_found_by_its_command_near_its_instant(database: Database) -> None:
    """The entry's own instant bounds where the route is looked for."""
    accepted(database, [{"idempotency_key": "turn-17"}])
    execute(
        database,
        "UPDATE routes SET status = 'published', next_attempt_at = NULL, published_at = %s,"
        " stream_entry_id = '1773480413601-0'",
        INSTANT,
    )

    near = published_as(database, ["email", "push"], "1773480413601-0", INSTANT - timedelta(milliseconds=5))
    far = published_as(database, ["email", "push"], "1773480413601-0", INSTANT - timedelta(hours=1))

    assert [route.route_id for route in near] == ["email:user:7", "push:user:7"]
    assert far == []


def test_an_id_that_is_being_typed_is_completed_by_indexes(filled: Watched) -> None:
    """At each press of Tab no table is read through, and what is read is bounded."""
    notification = beginnings.notifications_that_begin(filled, "")[0]
    assert notification in beginnings.notifications_that_begin(filled, notification[:6])
    assert len(beginnings.notifications_that_begin(filled, "0")) == beginnings.OFFERED
    assert beginnings.keys_that_begin(filled, "key-29")[0] == "key-29"
    assert beginnings.routes_that_begin(filled, notification, "email") != []
    for table in ("dead_letters", "operator_actions", "malformed_intents"):
        assert beginnings.numbers_that_begin(filled, table, "3000") == ["3000"]
    assert beginnings.numbers_that_begin(filled, "operator_actions", "")[:2] == ["3000", "2999"]

    plans = filled.plans()
    assert [table for table in LARGE if f"Seq Scan on {table}" in plans] == []
    assert re.findall(r"Sort Key: .*::text.*", plans) == []
    assert plans.count("Limit") == 13
