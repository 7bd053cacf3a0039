"""What became of commands: delivery events and the answer of each route; the mail service's deliveries.

Additive: processes of the release before work on, and know nothing of answers (R15). No row is written; the new columns
of `routes` are empty or have a constant default. The table is read once, for its checks and the new indexes.
"""

from typing import Any

import peewee

LOCK = "LOCK TABLE routes IN ACCESS EXCLUSIVE MODE"

# answer, answered_at  the answer of the highest rank so far, and when it was given (R32); empty: none came yet.
# complained           whether the recipient called it spam.
# routes_unanswered    the published routes without an answer: counted and listed by the age of their command.
# routes_answered_ill  the few that were answered with something else than success.
ROUTES = """
ALTER TABLE routes
    ADD COLUMN answer text,
    ADD COLUMN answered_at timestamptz(3),
    ADD COLUMN complained boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT routes_answer_is_known CHECK
        (answer IN ('accepted', 'deferred', 'delivered', 'bounced', 'rejected', 'failed', 'suppressed')),
    ADD CONSTRAINT routes_answer_says_when CHECK ((answer IS NULL) = (answered_at IS NULL));
CREATE INDEX routes_unanswered ON routes (channel, published_at) WHERE status = 'published' AND answer IS NULL;
CREATE INDEX routes_answered_ill ON routes (answer, channel, id)
    WHERE answer IN ('deferred', 'bounced', 'rejected', 'failed', 'suppressed');
CREATE INDEX routes_complained ON routes (channel, id) WHERE complained;
"""

# delivery_events    what was answered, never changed. Pruned with the route. channel: the route's.
# mail_deliveries    what our own mail service did about each delivery. Pruned with the route.
# mail_suppressions  addresses that our own mail service sends nothing to.
TABLES = """
CREATE TABLE delivery_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    route_key bigint NOT NULL CONSTRAINT delivery_events_route REFERENCES routes ON DELETE CASCADE,
    channel text NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    event text NOT NULL,
    occurred_at timestamptz(3) NOT NULL,
    recorded_at timestamptz(3) NOT NULL,
    permanence text,
    fault text,
    code text,
    enhanced_code text,
    diagnostic text,
    provider_ref text,
    detail json,
    stream_entry_id text,
    CONSTRAINT delivery_events_event_is_known CHECK
        (event IN ('accepted', 'deferred', 'delivered', 'bounced', 'complained', 'rejected', 'failed', 'suppressed'))
);
CREATE UNIQUE INDEX delivery_events_identity ON delivery_events (source, event_id);
CREATE INDEX delivery_events_of_route ON delivery_events (route_key, id);
CREATE INDEX delivery_events_of_channel ON delivery_events (channel, id);

CREATE TABLE mail_deliveries (
    delivery_id text PRIMARY KEY,
    route_key bigint CONSTRAINT mail_deliveries_route REFERENCES routes ON DELETE CASCADE,
    state text NOT NULL,
    entry_id text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    unsure integer NOT NULL DEFAULT 0,
    lease_token text,
    lease_expires_at timestamptz(3),
    begun_at timestamptz(3) NOT NULL,
    next_attempt_at timestamptz(3),
    held_at timestamptz(3),
    command json,
    event text,
    ended_at timestamptz(3),
    CONSTRAINT mail_deliveries_state_is_known CHECK (state IN ('begun', 'waiting', 'sent', 'given_up', 'held')),
    CONSTRAINT mail_deliveries_begun_has_a_lease CHECK ((state = 'begun') = (lease_token IS NOT NULL)),
    CONSTRAINT mail_deliveries_lease_is_both CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT mail_deliveries_waiting_is_scheduled CHECK
        (CASE state WHEN 'waiting' THEN next_attempt_at IS NOT NULL WHEN 'begun' THEN true
                    ELSE next_attempt_at IS NULL END),
    CONSTRAINT mail_deliveries_held_says_since CHECK ((state = 'held') = (held_at IS NOT NULL)),
    CONSTRAINT mail_deliveries_keeps_its_command CHECK
        (command IS NOT NULL OR (next_attempt_at IS NULL AND state <> 'held')),
    CONSTRAINT mail_deliveries_ended_says_how CHECK
        (state NOT IN ('sent', 'given_up') OR (event IS NOT NULL AND ended_at IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX mail_deliveries_of_route ON mail_deliveries (route_key);
CREATE INDEX mail_deliveries_due ON mail_deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX mail_deliveries_held ON mail_deliveries (held_at) WHERE held_at IS NOT NULL;

CREATE TABLE mail_suppressions (
    address text PRIMARY KEY,
    reason text NOT NULL,
    delivery_id text,
    note text,
    added_by text NOT NULL,
    added_at timestamptz(3) NOT NULL,
    expires_at timestamptz(3),
    CONSTRAINT mail_suppressions_reason_is_known CHECK (reason IN ('bounced', 'complained', 'operator'))
);
CREATE INDEX mail_suppressions_expiring ON mail_suppressions (expires_at) WHERE expires_at IS NOT NULL;
"""

# Whoever may insert routes works with these tables as well: nobody has to grant anything anew.
RIGHTS = """
DO $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END
        FROM pg_class, aclexplode(relacl) AS acl
        WHERE pg_class.oid = 'routes'::regclass AND privilege_type = 'INSERT' AND acl.grantee <> relowner
    LOOP
        EXECUTE 'GRANT SELECT, INSERT, UPDATE, DELETE ON delivery_events, mail_deliveries, mail_suppressions TO '
                || grantee;
    END LOOP;
END
$$
"""

BACK = """
DROP TABLE mail_suppressions, mail_deliveries, delivery_events;
DROP INDEX routes_unanswered, routes_answered_ill, routes_complained;
ALTER TABLE routes DROP COLUMN answer, DROP COLUMN answered_at, DROP COLUMN complained;
"""


def up(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Adds the columns, indexes and tables."""
    for statements in (LOCK, ROUTES, TABLES, RIGHTS):
        db.execute_sql(statements)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Takes them away, and with them everything that was answered."""
    for statements in (LOCK, BACK):
        db.execute_sql(statements)
