"""What an operator controls: cancelled routes, holds, rate limits, and the groups that share a limited channel.

Additive: processes of the release before work on, and leave the new columns at their defaults (R15). They know nothing
of marks, holds and limits, so these hold once the last of them has ended. Their search for overdue routes has lost its
index, and reads the open routes of a channel meanwhile.
"""

from typing import Any

import peewee

# All locks before any work: whoever waits too long gives up, and tries again. Each of the statements that follow reads
# the table of routes at most once; only rows of the first releases, which have no producer, are written.
LOCK = "LOCK TABLE notifications, routes IN ACCESS EXCLUSIVE MODE"

# not_before           when the first attempt was to be at the earliest; empty where the producer named no time.
# cancel_requested_at  since when the route is to be cancelled, and by whom. It is open until no command can follow, and
#                      `cancelled` from then on; or published, if its command was written before.
# notification_type    the notification's, for claims that choose by it. Blank for routes of earlier releases, as
#                      `producer` is: the claim that needs them fills them in.
ROUTES = """
ALTER TABLE notifications ADD COLUMN not_before timestamptz(3);

UPDATE routes SET producer = '' WHERE producer IS NULL;
ALTER TABLE routes
    ADD COLUMN cancel_requested_at timestamptz(3),
    ADD COLUMN cancelled_by text,
    ADD COLUMN notification_type text NOT NULL DEFAULT '',
    ALTER COLUMN producer SET DEFAULT '',
    ALTER COLUMN producer SET NOT NULL,
    DROP CONSTRAINT routes_status_is_known,
    ADD CONSTRAINT routes_status_is_known CHECK
        (status IN ('pending', 'failed', 'published', 'dead_letter', 'skipped', 'expired', 'cancelled')),
    ADD CONSTRAINT routes_cancellation_is_whole CHECK ((cancel_requested_at IS NULL) = (cancelled_by IS NULL)),
    ADD CONSTRAINT routes_cancelled_was_asked_for CHECK (status <> 'cancelled' OR cancel_requested_at IS NOT NULL);
"""

# routes_ending  the open routes that end without an attempt, by the instant from which they do: their deadline, or
#                their cancellation. LEAST leaves out what is NULL.
# routes_shares  the open routes by channel, lane, producer and type, as one number (see storage.group_keys): a claim
#                jumps from one group to the next.
INDEXES = """
DROP INDEX routes_expiring, routes_unsent;
CREATE INDEX routes_ending ON routes (channel, least(expires_at, cancel_requested_at), id)
    WHERE status IN ('pending', 'failed') AND (expires_at IS NOT NULL OR cancel_requested_at IS NOT NULL);
CREATE INDEX routes_shares ON routes (
    (((hashtext(channel) & 32767)::bigint << 48)
     + ((CASE lane WHEN 'urgent' THEN 0 WHEN 'normal' THEN 1 ELSE 2 END)::bigint << 46)
     + (hashtextextended(producer || chr(10) || notification_type, 0) & 70368744177663)),
    next_attempt_at, id
) WHERE status IN ('pending', 'failed');
CREATE INDEX routes_unsent ON routes (status, channel, id) WHERE status IN ('skipped', 'expired', 'cancelled');
"""

# cancellations   what producers have cancelled, and the answer. No foreign key: a cancellation may come before its
#                 intent, and stays as long as keys are kept. awaits_intent: no notification was there.
# holds           a claim passes over what matches every column that is set.
# channel_limits  the rate limit that an operator has set. per_second is NULL where there is to be none, whatever the
#                 settings say.
TABLES = """
CREATE TABLE cancellations (
    notification_id uuid PRIMARY KEY,
    producer text NOT NULL,
    idempotency_key text NOT NULL,
    request_id text,
    trace_id text,
    intent_entry_id text NOT NULL,
    requested_at timestamptz(3) NOT NULL,
    awaits_intent boolean NOT NULL DEFAULT false,
    answered_at timestamptz(3),
    cancelled integer NOT NULL DEFAULT 0,
    published integer NOT NULL DEFAULT 0,
    otherwise integer NOT NULL DEFAULT 0
);
CREATE INDEX cancellations_unanswered ON cancellations (notification_id)
    WHERE answered_at IS NULL AND NOT awaits_intent;
CREATE INDEX cancellations_requested ON cancellations (requested_at);
CREATE INDEX cancellations_entry ON cancellations (intent_entry_id);

CREATE TABLE holds (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text,
    notification_type text,
    producer text,
    recipient_ref text,
    reason text NOT NULL,
    held_by text NOT NULL,
    held_at timestamptz(3) NOT NULL,
    CONSTRAINT holds_name_something CHECK (num_nonnulls(channel, notification_type, producer, recipient_ref) > 0)
);

CREATE TABLE channel_limits (
    channel text PRIMARY KEY,
    per_second double precision,
    burst integer,
    set_by text NOT NULL,
    set_at timestamptz(3) NOT NULL,
    CONSTRAINT channel_limits_are_whole CHECK ((per_second IS NULL) = (burst IS NULL)),
    CONSTRAINT channel_limits_let_something_through CHECK (per_second > 0 AND burst >= 1)
);
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
        EXECUTE 'GRANT SELECT, INSERT, UPDATE, DELETE ON cancellations, holds, channel_limits TO ' || grantee;
    END LOOP;
END
$$
"""

BACK = """
DROP TABLE channel_limits, holds, cancellations;
DROP INDEX routes_ending, routes_shares, routes_unsent;
ALTER TABLE routes
    DROP CONSTRAINT routes_status_is_known,
    ADD CONSTRAINT routes_status_is_known
        CHECK (status IN ('pending', 'failed', 'published', 'dead_letter', 'skipped', 'expired')),
    DROP COLUMN cancel_requested_at,
    DROP COLUMN cancelled_by,
    DROP COLUMN notification_type,
    ALTER COLUMN producer DROP NOT NULL,
    ALTER COLUMN producer DROP DEFAULT;
CREATE INDEX routes_expiring ON routes (channel, expires_at, id)
    WHERE status IN ('pending', 'failed') AND expires_at IS NOT NULL;
CREATE INDEX routes_unsent ON routes (status, channel, id) WHERE status IN ('skipped', 'expired');
ALTER TABLE notifications DROP COLUMN not_before;
"""


def up(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Adds the columns, indexes and tables."""
    for statements in (LOCK, ROUTES, INDEXES, TABLES, RIGHTS):
        db.execute_sql(statements)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Takes them away. Refused while a route is cancelled: the older schema has no such status."""
    for statements in (LOCK, BACK):
        db.execute_sql(statements)
