"""The tables of the first release. Frozen: later changes are later migrations."""

from typing import Any

import peewee

TABLES = """
CREATE TABLE notifications (
    notification_id uuid PRIMARY KEY,
    notification_type text NOT NULL,
    producer text NOT NULL,
    audience_kind text NOT NULL,
    idempotency_key text NOT NULL,
    request_fingerprint text NOT NULL,
    payload json NOT NULL,
    request_id text,
    trace_id text,
    occurred_at timestamptz(3) NOT NULL,
    accepted_at timestamptz(3) NOT NULL
);

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification_id uuid NOT NULL,
    route_id text NOT NULL,
    channel text NOT NULL,
    notification_type text NOT NULL,
    classification text NOT NULL,
    message text NOT NULL,
    attempt_count integer NOT NULL,
    max_attempts integer NOT NULL,
    dead_lettered_at timestamptz(3) NOT NULL,
    requeued_at timestamptz(3),
    requeued_by text,
    CONSTRAINT dead_letters_requeue_is_both CHECK ((requeued_at IS NULL) = (requeued_by IS NULL))
);
CREATE INDEX dead_letters_route ON dead_letters (notification_id, route_id);
CREATE INDEX dead_letters_waiting ON dead_letters (channel, id) WHERE requeued_at IS NULL;

CREATE TABLE routes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification_id uuid NOT NULL
        CONSTRAINT routes_notification REFERENCES notifications (notification_id),
    route_id text NOT NULL,
    channel text NOT NULL,
    status text NOT NULL,
    attempt_count integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL,
    next_attempt_at timestamptz(3),
    recipient_ref text NOT NULL,
    resolved_email text,
    resolved_locale text,
    last_failure_classification text,
    last_failure_message text,
    last_failure_at timestamptz(3),
    lease_token text,
    lease_expires_at timestamptz(3),
    lease_loss_count integer NOT NULL DEFAULT 0,
    stream_entry_id text,
    dead_letter_id bigint
        CONSTRAINT routes_dead_letter REFERENCES dead_letters (id),
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    published_at timestamptz(3),
    dead_lettered_at timestamptz(3),
    CONSTRAINT routes_status_is_known
        CHECK (status IN ('pending', 'failed', 'published', 'dead_letter', 'skipped')),
    CONSTRAINT routes_attempts_are_within_bounds
        CHECK (attempt_count >= 0 AND attempt_count <= max_attempts AND max_attempts >= 1),
    CONSTRAINT routes_open_is_scheduled
        CHECK ((status IN ('pending', 'failed')) = (next_attempt_at IS NOT NULL)),
    CONSTRAINT routes_lease_is_both_or_neither
        CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT routes_lease_only_while_open
        CHECK (lease_token IS NULL OR status IN ('pending', 'failed')),
    CONSTRAINT routes_lease_losses_are_counted CHECK (lease_loss_count >= 0),
    CONSTRAINT routes_published_says_when
        CHECK ((status = 'published') = (published_at IS NOT NULL)),
    CONSTRAINT routes_dead_letter_has_a_row
        CHECK ((status = 'dead_letter') = (dead_letter_id IS NOT NULL)
               AND (status = 'dead_letter') = (dead_lettered_at IS NOT NULL))
) WITH (fillfactor = 60);
CREATE UNIQUE INDEX routes_identity ON routes (notification_id, route_id);
CREATE INDEX routes_due ON routes (channel, next_attempt_at, id) WHERE status IN ('pending', 'failed');
CREATE INDEX routes_dead_letter_id ON routes (dead_letter_id) WHERE dead_letter_id IS NOT NULL;
CREATE INDEX routes_published ON routes (channel, published_at, id) WHERE status = 'published';

CREATE TABLE malformed_intents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream text NOT NULL,
    stream_entry_id text NOT NULL,
    failure_code text NOT NULL,
    failure_message text NOT NULL,
    raw_fields jsonb NOT NULL,
    recorded_at timestamptz(3) NOT NULL
);
CREATE UNIQUE INDEX malformed_intents_entry ON malformed_intents (stream, stream_entry_id);

CREATE TABLE stream_audits (
    channel text PRIMARY KEY,
    redis_identity text NOT NULL,
    audited_at timestamptz(3) NOT NULL
);
"""


def up(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Creates every table."""
    db.execute_sql(TABLES)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Drops every table, and with them all that was accepted and published."""
    db.execute_sql("DROP TABLE stream_audits, malformed_intents, routes, dead_letters, notifications")
