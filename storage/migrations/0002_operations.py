"""What operators need: deadlines, failure history, gates, republishing, audits, retention."""

from typing import Any

import peewee

TABLES = """
ALTER TABLE notifications
    ADD COLUMN intent_entry_id text,
    ADD COLUMN expires_at timestamptz(3);
CREATE INDEX notifications_intent ON notifications (intent_entry_id);
CREATE INDEX notifications_idempotency_key ON notifications (idempotency_key);
CREATE INDEX notifications_accepted ON notifications (accepted_at, notification_id);

ALTER TABLE routes
    ADD COLUMN expires_at timestamptz(3),
    ADD COLUMN replay integer NOT NULL DEFAULT 0,
    DROP CONSTRAINT routes_status_is_known,
    ADD CONSTRAINT routes_status_is_known
        CHECK (status IN ('pending', 'failed', 'published', 'dead_letter', 'skipped', 'expired')),
    ADD CONSTRAINT routes_expired_had_a_deadline CHECK (status <> 'expired' OR expires_at IS NOT NULL),
    ADD CONSTRAINT routes_replays_are_counted CHECK (replay >= 0);
CREATE INDEX routes_expiring ON routes (channel, expires_at, id)
    WHERE status IN ('pending', 'failed') AND expires_at IS NOT NULL;
CREATE INDEX routes_unsent ON routes (status, channel, id) WHERE status IN ('skipped', 'expired');
-- How often a channel and a status go together: estimates of large counts would else take them for independent.
CREATE STATISTICS routes_standing (mcv) ON channel, status FROM routes;

CREATE TABLE route_failures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    route_key bigint NOT NULL
        CONSTRAINT route_failures_route REFERENCES routes (id) ON DELETE CASCADE,
    attempt_number integer NOT NULL,
    classification text NOT NULL,
    message text NOT NULL,
    failed_at timestamptz(3) NOT NULL
);
CREATE INDEX route_failures_of_route ON route_failures (route_key, id);

CREATE TABLE channel_gates (
    channel text PRIMARY KEY,
    paused_at timestamptz(3),
    paused_by text,
    pause_reason text,
    refused_batches integer NOT NULL DEFAULT 0,
    parked_at timestamptz(3),
    park_reason text,
    probe_at timestamptz(3),
    probes integer NOT NULL DEFAULT 0,
    CONSTRAINT channel_gates_pause_is_whole
        CHECK ((paused_at IS NULL) = (paused_by IS NULL) AND (paused_at IS NULL) = (pause_reason IS NULL)),
    CONSTRAINT channel_gates_park_is_whole
        CHECK ((parked_at IS NULL) = (park_reason IS NULL) AND (parked_at IS NULL) = (probe_at IS NULL))
);

CREATE TABLE operator_actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action text NOT NULL,
    by text NOT NULL,
    target jsonb NOT NULL,
    matched bigint NOT NULL,
    done bigint NOT NULL DEFAULT 0,
    outcome text NOT NULL DEFAULT 'running',
    begun_at timestamptz(3) NOT NULL,
    ended_at timestamptz(3),
    CONSTRAINT operator_actions_outcome_is_known
        CHECK (outcome IN ('running', 'done', 'interrupted', 'failed')),
    CONSTRAINT operator_actions_end_is_told CHECK ((outcome = 'running') = (ended_at IS NULL))
);

ALTER TABLE malformed_intents
    ADD COLUMN resubmitted_at timestamptz(3),
    ADD COLUMN resubmitted_by text,
    ADD COLUMN resubmitted_as text,
    ADD CONSTRAINT malformed_intents_resubmission_is_whole
        CHECK ((resubmitted_at IS NULL) = (resubmitted_by IS NULL)
               AND (resubmitted_at IS NULL) = (resubmitted_as IS NULL));

CREATE TABLE pruned_notifications (
    notification_id uuid PRIMARY KEY,
    request_fingerprint text NOT NULL,
    pruned_at timestamptz(3) NOT NULL
);
CREATE INDEX pruned_notifications_pruned ON pruned_notifications (pruned_at);
"""


DROP = """
DROP TABLE pruned_notifications, operator_actions, channel_gates, route_failures;
ALTER TABLE malformed_intents DROP COLUMN resubmitted_at, DROP COLUMN resubmitted_by, DROP COLUMN resubmitted_as;
ALTER TABLE routes
    DROP CONSTRAINT routes_expired_had_a_deadline,
    DROP CONSTRAINT routes_status_is_known,
    ADD CONSTRAINT routes_status_is_known
        CHECK (status IN ('pending', 'failed', 'published', 'dead_letter', 'skipped')),
    DROP COLUMN expires_at,
    DROP COLUMN replay;
ALTER TABLE notifications DROP COLUMN intent_entry_id, DROP COLUMN expires_at;
DROP INDEX notifications_idempotency_key, notifications_accepted, routes_unsent;
DROP STATISTICS routes_standing;
"""


def up(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Adds the tables and columns."""
    db.execute_sql(TABLES)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Takes them away. Refused while a route is expired: the older schema has no such status."""
    db.execute_sql(DROP)
