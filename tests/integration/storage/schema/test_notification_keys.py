"""Migration 0006 over a database in use: every row is what it was, with a key in the place of the uuid in routes."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from publisher.domain.errors import DatabaseMisconfigured
from storage.claiming.claims import claim_due
from storage.database import Database
from storage.retention import prune_notifications
from storage.schema.schema import migrate
from tests.factories import accepted
from tests.integration.old_notifications import DAYS
from tests.integration.roles import GRANTS, plain_role
from tests.integration.rows import execute, rows
from tests.integration.storage.claiming.test_claims import TTL
from tests.integration.storage.schema.earlier_schemas import migrated_to, take_back
from tests.integration.storage.schema.test_schema import CATALOGUE

NAME = "0006_notification_keys"
# Notifications that stand in another order than they were accepted in, as where pruned rows left room. Of every ten
# routes six are published; one each is pending, failed, skipped and a dead letter.
FILL = """
INSERT INTO notifications (notification_id, notification_type, producer, audience_kind, idempotency_key,
                           request_fingerprint, payload, occurred_at, accepted_at)
SELECT md5('n-' || n)::uuid, 'game.turn.ready', 'game-service', 'user', 'n-' || n,
       encode(sha256(n::text::bytea), 'hex'), json_build_object('turn', n), now(),
       '2026-01-01Z'::timestamptz + n::bigint * 7919 %% {count} * interval '1 ms'
FROM generate_series(1, {count}) AS n;
INSERT INTO dead_letters (notification_id, route_id, channel, notification_type, classification, message,
                          attempt_count, max_attempts, dead_lettered_at)
SELECT md5('n-' || n)::uuid, 'push:user:' || n, 'push', 'game.turn.ready', 'c', 'm', 6, 6, now()
FROM generate_series(1, {count}) AS n WHERE n %% 5 = 4 ORDER BY n;
INSERT INTO routes (notification_id, route_id, channel, status, max_attempts, recipient_ref, producer, next_attempt_at,
                    published_at, stream_entry_id, dead_letter_id, dead_lettered_at, created_at, updated_at)
SELECT md5('n-' || n)::uuid, channel || ':user:' || n, channel, status, 6, 'user:' || n, 'game-service',
       CASE WHEN status IN ('pending', 'failed') THEN t END, CASE WHEN status = 'published' THEN t END, '1-' || n,
       CASE WHEN status = 'dead_letter' THEN n / 5 + 1 END, CASE WHEN status = 'dead_letter' THEN t END, t, t
FROM generate_series(1, {count}) AS n, (VALUES ('email', 0), ('push', 5)) AS channels (channel, place),
     LATERAL (SELECT now() - n * interval '1 s' AS t, (ARRAY['pending', 'failed', 'published', 'published', 'published',
              'skipped', 'published', 'published', 'published', 'dead_letter'])[n %% 5 + place + 1] AS status) AS given
ORDER BY n, channel;
INSERT INTO route_failures (route_key, attempt_number, classification, message, failed_at)
SELECT id, 1, 'c', 'm', now() FROM routes WHERE status IN ('failed', 'dead_letter');
INSERT INTO pruned_notifications
SELECT md5('p-' || n)::uuid, encode(sha256(n::text::bytea), 'hex'), now() FROM generate_series(1, {count} / 10) AS n
"""
# What each table holds, but for the keys of notifications, and for columns that later migrations add.
CONTENT = {
    "notifications": "SELECT n.notification_id, {fingerprint},"
    " to_jsonb(n) - 'id' - 'not_before' - 'request_fingerprint' FROM notifications AS n",
    "routes": "SELECT n.notification_id, to_jsonb(r) - '{{notification_id,notification_key,cancel_requested_at,"
    "cancelled_by,notification_type,group_key,answer,answered_at,complained}}'::text[]"
    " FROM routes AS r JOIN notifications AS n ON {join}",
    "failures": "SELECT * FROM route_failures",
    "dead letters": "SELECT * FROM dead_letters",
    "pruned": "SELECT notification_id, {fingerprint}, pruned_at FROM pruned_notifications",
}
BEFORE = {"fingerprint": "request_fingerprint", "join": "n.notification_id = r.notification_id"}
AFTER = {"fingerprint": "encode(request_fingerprint, 'hex')", "join": "n.id = r.notification_key"}
SIZES = [100, pytest.param(500_000, marks=pytest.mark.long)]


@pytest.fixture
def outdated_url(create_database: Callable[[str], str]) -> str:
    """The URL of `outdated`."""
    return create_database("template0")


@pytest.fixture
def outdated(outdated_url: str) -> Iterator[Database]:
    """A database of the release before, with nothing in it, as `publisher migrate` opens it."""
    with migrated_to(outdated_url, "0005_discards") as database:
        yield database


def content(database: Database, form: dict[str, str]) -> dict[str, object]:
    """How many rows each table has, and the sum of their hashes."""
    return {
        name: rows(
            database,
            "SELECT count(*), sum(hashtextextended(content::text, 0)::numeric)::text AS hash"
            f" FROM ({sql.format(**form)}) AS content",
        )
        for name, sql in CONTENT.items()
    }


def grants_of(outdated: Database) -> list[str]:
    """The rights that the release before asked for: to the tables that are there."""
    there = {f"public.{row['relname']}" for row in rows(outdated, "SELECT relname FROM pg_class WHERE relkind = 'r'")}
    granted = []
    for statement in GRANTS:
        verbs, _, (tables, to) = *statement.partition(" ON ")[:2], statement.partition(" ON ")[2].split(" TO ")
        named = [table for table in tables.split(", ") if not table.startswith("public.") or table in there]
        if named:
            granted.append(f"{verbs} ON {', '.join(named)} TO {to}")
    return granted


def catalogue(database: Database) -> dict[str, object]:
    return {part: rows(database, sql) for part, sql in CATALOGUE.items()}


@pytest.mark.parametrize("count", SIZES)
def test_everything_is_what_it_was(count: int, outdated: Database, database: Database) -> None:
    """The same notifications, routes, failures and dead letters, and the schema of an empty database (R1, R3, R18)."""
    execute(outdated, FILL.format(count=count))
    before = content(outdated, BEFORE)
    assert rows(outdated, "SELECT count(DISTINCT status) FROM routes") == [{"count": 5}]

    assert migrate(outdated)[0] == NAME

    assert content(outdated, AFTER) == before
    assert catalogue(outdated) == catalogue(database)


@pytest.mark.parametrize("count", SIZES)
def test_keys_are_given_out_in_the_order_of_acceptance(count: int, outdated: Database) -> None:
    """Pruning walks along them. The next notification has the next key, and no dead rows are left behind."""
    execute(outdated, FILL.format(count=count))

    migrate(outdated)
    accepted(outdated)

    [found] = rows(
        outdated,
        "SELECT count(*), max(id), count(*) FILTER (WHERE accepted_at < before) AS late FROM"
        " (SELECT id, accepted_at, lag(accepted_at) OVER (ORDER BY id) AS before FROM notifications) AS walk",
    )
    assert found == {"count": count + 1, "max": count + 1, "late": 0}
    dead = "SELECT n_dead_tup FROM pg_stat_all_tables WHERE relname IN ('routes', 'notifications')"
    assert rows(outdated, dead) == [{"n_dead_tup": 0}] * 2


def test_the_service_works_on_as_a_role_with_rights_to_rows(outdated: Database, outdated_url: str) -> None:
    """Rights that were granted before the migration are enough after it: nothing has to be granted anew."""
    execute(outdated, FILL.format(count=100))
    with (
        plain_role(outdated_url, *grants_of(outdated)) as as_plain,
        closing(Database(as_plain, application_name="t")) as plain,
    ):
        migrate(outdated)

        due = accepted(plain).due
        claim = claim_due(plain, "email", limit=100, lease_ttl=TTL)
        pruned = prune_notifications(plain, DAYS)

    assert due["email"][0] in claim.ids
    assert all(claimed.notification is not None for claimed in claim.routes)
    assert pruned.seen == 100


@pytest.mark.parametrize("count", SIZES)
def test_it_can_be_taken_back(count: int, outdated: Database) -> None:
    """`down` gives the release before its schema back, with every row."""
    before = catalogue(outdated)
    execute(outdated, FILL.format(count=count))
    rows_before = content(outdated, BEFORE)
    migrate(outdated)

    take_back(outdated, NAME)

    assert content(outdated, BEFORE) == rows_before
    assert catalogue(outdated) == before


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE VIEW ours AS SELECT notification_id FROM routes", "on view ours depends on"),
        ("CREATE VIEW ours AS SELECT request_fingerprint FROM notifications", "view ours"),
        (
            "CREATE TABLE ours (id uuid REFERENCES notifications (notification_id))",
            "constraint ours_id_fkey",
        ),
    ],
    ids=["view of routes", "view of notifications", "foreign key"],
)
def test_an_object_in_the_way_is_named(made: str, named: str, outdated: Database) -> None:
    """Where somebody else's view or foreign key is in the way, nothing is changed, and the error names it."""
    execute(outdated, made)
    before = catalogue(outdated)

    with pytest.raises(DatabaseMisconfigured, match=named):
        migrate(outdated)

    assert catalogue(outdated) == before


def test_a_published_table_keeps_its_replica_identity(outdated: Database) -> None:
    """A table whose changes are replicated by the index of its primary key takes deletions after the migration."""
    execute(outdated, FILL.format(count=10))
    execute(outdated, "ALTER TABLE notifications REPLICA IDENTITY USING INDEX notifications_pkey")
    execute(outdated, "CREATE PUBLICATION ours FOR TABLE notifications")

    migrate(outdated)

    execute(outdated, "DELETE FROM notifications")
    [identity] = rows(outdated, "SELECT indexrelid::regclass::text AS index FROM pg_index WHERE indisreplident")
    assert identity == {"index": "notifications_pkey"}
