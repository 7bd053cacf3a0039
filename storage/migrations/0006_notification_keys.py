"""A bigint key for notifications, by which routes name them; fingerprints as bytes; a smaller routes_published.

An index by bigint grows at its end. One by uuid is changed at a page of its own by nearly every row, and each page is
written whole to the WAL once after every checkpoint.

Exclusive: notifications, routes and pruned_notifications are rewritten, and nobody reads or writes them meanwhile.
ALTER TABLE keeps the owners, rights, storage options, triggers and sequences, and leaves no dead row behind. Processes
of the release before stand still from then on: the column that their statements name is gone (R15).
"""

from typing import Any

import peewee

# All locks before any work. Other statements take the first two in this order or the other way round: whoever waits too
# long gives up, and tries again.
LOCK = "LOCK TABLE notifications, routes, pruned_notifications IN ACCESS EXCLUSIVE MODE"

# keys_of_notifications   the key that each notification gets, in the order of acceptance. Dropped at the end. UNLOGGED:
#                         no other session will ever read it.
# key_of_notification     looks a key up. ALTER TABLE takes no subquery, and a function keeps the order of the rows.
KEYS = """
CREATE UNLOGGED TABLE keys_of_notifications AS
    SELECT notification_id, row_number() OVER (ORDER BY accepted_at, notification_id) AS id FROM notifications;
ALTER TABLE keys_of_notifications ADD PRIMARY KEY (notification_id);
ANALYZE keys_of_notifications;
CREATE FUNCTION key_of_notification(uuid) RETURNS bigint LANGUAGE sql STABLE
    AS 'SELECT id FROM keys_of_notifications WHERE notification_id = $1';
"""

# One rewriting a table, which makes all of its indexes anew, each once. A fingerprint was the text of 32 bytes.
#
# DROP and SET NOT NULL  PostgreSQL 18 names the constraint after the column.
# notifications_accepted is gone: a walk in the order of acceptance goes along the primary key.
# routes_published       without the id: PostgreSQL keeps one value for all the routes of a batch ("deduplication").
TABLES = """
ALTER TABLE routes DROP CONSTRAINT routes_notification;
DROP INDEX notifications_accepted, routes_published;

ALTER TABLE notifications ADD COLUMN id bigint;
ALTER TABLE notifications
    DROP CONSTRAINT notifications_pkey,
    ALTER COLUMN id TYPE bigint USING key_of_notification(notification_id),
    ALTER COLUMN id SET NOT NULL,
    ALTER COLUMN request_fingerprint TYPE bytea USING decode(request_fingerprint, 'hex'),
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (id);
ALTER TABLE notifications ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
SELECT setval(pg_get_serial_sequence('notifications', 'id'), max(id)) FROM notifications;
CREATE UNIQUE INDEX notifications_identity ON notifications (notification_id);

ALTER TABLE routes ALTER COLUMN notification_id DROP NOT NULL;
ALTER TABLE routes RENAME COLUMN notification_id TO notification_key;
ALTER TABLE routes
    ALTER COLUMN notification_key TYPE bigint USING key_of_notification(notification_key),
    ALTER COLUMN notification_key SET NOT NULL;
CREATE INDEX routes_published ON routes (channel, published_at) WHERE status = 'published';

ALTER TABLE pruned_notifications
    ALTER COLUMN request_fingerprint TYPE bytea USING decode(request_fingerprint, 'hex');

DROP FUNCTION key_of_notification(uuid);
DROP TABLE keys_of_notifications;
"""

# A replica identity by the index of the primary key went with it, and without one a published table takes no DELETE.
REPLICA_IDENTITY = """
DO $$
BEGIN
    IF (SELECT relreplident = 'i' FROM pg_class WHERE oid = 'notifications'::regclass)
       AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = 'notifications'::regclass AND indisreplident) THEN
        ALTER TABLE notifications REPLICA IDENTITY USING INDEX notifications_pkey;
    END IF;
END
$$
"""

# The planner knows nothing of a column that was made anew.
STATISTICS = "ANALYZE notifications, routes"

BACK = """
CREATE FUNCTION notification_of_key(bigint) RETURNS uuid LANGUAGE sql STABLE
    AS 'SELECT notification_id FROM notifications WHERE id = $1';
DROP INDEX routes_published;
ALTER TABLE routes ALTER COLUMN notification_key DROP NOT NULL;
ALTER TABLE routes RENAME COLUMN notification_key TO notification_id;
ALTER TABLE routes
    ALTER COLUMN notification_id TYPE uuid USING notification_of_key(notification_id),
    ALTER COLUMN notification_id SET NOT NULL;
CREATE INDEX routes_published ON routes (channel, published_at, id) WHERE status = 'published';
DROP FUNCTION notification_of_key(bigint);

ALTER TABLE notifications
    DROP CONSTRAINT notifications_pkey,
    DROP COLUMN id,
    ALTER COLUMN request_fingerprint TYPE text USING encode(request_fingerprint, 'hex');
DROP INDEX notifications_identity;
ALTER TABLE notifications ADD CONSTRAINT notifications_pkey PRIMARY KEY (notification_id);
CREATE INDEX notifications_accepted ON notifications (accepted_at, notification_id);
ALTER TABLE routes
    ADD CONSTRAINT routes_notification FOREIGN KEY (notification_id) REFERENCES notifications (notification_id);
ALTER TABLE pruned_notifications
    ALTER COLUMN request_fingerprint TYPE text USING encode(request_fingerprint, 'hex');
"""


def up(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Gives every notification its key, and every route that of its notification."""
    for statements in (LOCK, KEYS, TABLES, REPLICA_IDENTITY, STATISTICS):
        db.execute_sql(statements)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Gives every route the id of its notification back."""
    for statements in (LOCK, BACK, REPLICA_IDENTITY, STATISTICS):
        db.execute_sql(statements)
