"""The tables of notifications, routes and dead letters, with their constraints and indexes (R3)."""

import peewee
from peewee import SQL

from storage.models.fields import BigIdentityField, InstantField, JsonTextField

OPEN = "status IN ('pending', 'failed')"
# Of a dead letter that waits for an operator.
WAITING = "requeued_at IS NULL AND discarded_at IS NULL"


class Notification(peewee.Model):
    """An accepted intent.

    id: the key by which routes name it, given out nearly in the order of acceptance.
    notification_id: derived from producer and idempotency key, so that its unique index makes both unique together
        (R1, R18).
    """

    notification_id = peewee.UUIDField()
    notification_type = peewee.TextField()
    producer = peewee.TextField()
    audience_kind = peewee.TextField()
    idempotency_key = peewee.TextField()
    request_fingerprint = peewee.BlobField()
    payload = JsonTextField()
    request_id = peewee.TextField(null=True)
    trace_id = peewee.TextField(null=True)
    occurred_at = InstantField()
    accepted_at = InstantField()
    intent_entry_id = peewee.TextField(null=True)
    expires_at = InstantField(null=True)
    not_before = InstantField(null=True)
    id = BigIdentityField()

    class Meta:
        table_name = "notifications"
        table_settings = "WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)"


Notification.add_index(Notification.notification_id, unique=True, name="notifications_identity")
# An operator looks a notification up by the id of its entry, or by its idempotency key.
Notification.add_index(Notification.intent_entry_id, name="notifications_intent")
Notification.add_index(Notification.idempotency_key, name="notifications_idempotency_key")


class DeadLetter(peewee.Model):
    """A dead letter: why a route was given up, and who requeued or discarded it when (R3).

    No foreign key to routes: routes.dead_letter_id already references this table, and the reverse would make a cycle.
    """

    id = BigIdentityField()
    notification_id = peewee.UUIDField()
    route_id = peewee.TextField()
    channel = peewee.TextField()
    notification_type = peewee.TextField()
    classification = peewee.TextField()
    message = peewee.TextField()
    attempt_count = peewee.IntegerField()
    max_attempts = peewee.IntegerField()
    dead_lettered_at = InstantField()
    requeued_at = InstantField(null=True)
    requeued_by = peewee.TextField(null=True)
    discarded_at = InstantField(null=True)
    discarded_by = peewee.TextField(null=True)

    class Meta:
        table_name = "dead_letters"
        constraints = (
            SQL("CONSTRAINT dead_letters_requeue_is_both CHECK ((requeued_at IS NULL) = (requeued_by IS NULL))"),
            SQL("CONSTRAINT dead_letters_discard_is_both CHECK ((discarded_at IS NULL) = (discarded_by IS NULL))"),
        )


DeadLetter.add_index(DeadLetter.notification_id, DeadLetter.route_id, name="dead_letters_route")
# The dead letters that nobody has requeued or discarded, the newest first.
DeadLetter.add_index(DeadLetter.channel, DeadLetter.id, where=SQL(WAITING), name="dead_letters_waiting")


class Route(peewee.Model):
    """One recipient on one channel: whether and when the command was published, and when the next attempt is due.

    producer, notification_type: the notification's. Blank for routes that an earlier release inserted.
    group_key: see `storage.group_keys`. None for routes that an earlier release inserted.
    cancel_requested_at: since when it is to be cancelled. It ends once no command can follow (R28).
    answer: the delivery event of the highest rank so far (R32). None: nobody has answered yet.
    complained: whether the recipient called the message spam.
    notification_key: the id of its notification. No foreign key, whose check costs each insertion as much as a look-up:
        both are inserted in one transaction and pruned in one statement, and `publisher doctor` looks.
    """

    id = BigIdentityField()
    notification_key = peewee.BigIntegerField()
    route_id = peewee.TextField()
    channel = peewee.TextField()
    status = peewee.TextField()
    attempt_count = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])
    max_attempts = peewee.IntegerField()
    next_attempt_at = InstantField(null=True)
    recipient_ref = peewee.TextField()
    resolved_email = peewee.TextField(null=True)
    resolved_locale = peewee.TextField(null=True)
    last_failure_classification = peewee.TextField(null=True)
    last_failure_message = peewee.TextField(null=True)
    last_failure_at = InstantField(null=True)
    lease_token = peewee.TextField(null=True)
    lease_expires_at = InstantField(null=True)
    lease_loss_count = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])
    stream_entry_id = peewee.TextField(null=True)
    dead_letter = peewee.ForeignKeyField(DeadLetter, null=True, index=False, constraint_name="routes_dead_letter")
    created_at = InstantField()
    updated_at = InstantField()
    published_at = InstantField(null=True)
    dead_lettered_at = InstantField(null=True)
    expires_at = InstantField(null=True)
    replay = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])
    stream = peewee.TextField(null=True)
    witness_until = InstantField(null=True)
    requeues = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])
    producer = peewee.TextField(constraints=[SQL("DEFAULT ''")])
    lane = peewee.TextField(constraints=[SQL("DEFAULT 'normal'")])
    cancel_requested_at = InstantField(null=True)
    cancelled_by = peewee.TextField(null=True)
    notification_type = peewee.TextField(constraints=[SQL("DEFAULT ''")])
    group_key = peewee.BigIntegerField(null=True)
    answer = peewee.TextField(null=True)
    answered_at = InstantField(null=True)
    complained = peewee.BooleanField(constraints=[SQL("DEFAULT false")])

    class Meta:
        table_name = "routes"
        constraints = (
            SQL(
                "CONSTRAINT routes_status_is_known CHECK"
                " (status IN ('pending', 'failed', 'published', 'dead_letter', 'skipped', 'expired', 'cancelled'))"
            ),
            SQL(
                "CONSTRAINT routes_attempts_are_within_bounds CHECK"
                " (attempt_count >= 0 AND attempt_count <= max_attempts AND max_attempts >= 1)"
            ),
            SQL(f"CONSTRAINT routes_open_is_scheduled CHECK (({OPEN}) = (next_attempt_at IS NOT NULL))"),
            SQL(
                "CONSTRAINT routes_lease_is_both_or_neither CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL))"
            ),
            SQL(f"CONSTRAINT routes_lease_only_while_open CHECK (lease_token IS NULL OR {OPEN})"),
            SQL("CONSTRAINT routes_lease_losses_are_counted CHECK (lease_loss_count >= 0)"),
            SQL("CONSTRAINT routes_published_says_when CHECK ((status = 'published') = (published_at IS NOT NULL))"),
            SQL(
                "CONSTRAINT routes_dead_letter_has_a_row CHECK ((status = 'dead_letter')"
                " = (dead_letter_id IS NOT NULL) AND (status = 'dead_letter') = (dead_lettered_at IS NOT NULL))"
            ),
            SQL("CONSTRAINT routes_expired_had_a_deadline CHECK (status <> 'expired' OR expires_at IS NOT NULL)"),
            SQL("CONSTRAINT routes_replays_are_counted CHECK (replay >= 0)"),
            SQL(
                "CONSTRAINT routes_cancellation_is_whole CHECK ((cancel_requested_at IS NULL) = (cancelled_by IS NULL))"
            ),
            SQL(
                "CONSTRAINT routes_cancelled_was_asked_for CHECK"
                " (status <> 'cancelled' OR cancel_requested_at IS NOT NULL)"
            ),
            SQL(
                "CONSTRAINT routes_answer_is_known CHECK"
                " (answer IN ('accepted', 'deferred', 'delivered', 'bounced', 'rejected', 'failed', 'suppressed'))"
            ),
            SQL("CONSTRAINT routes_answer_says_when CHECK ((answer IS NULL) = (answered_at IS NULL))"),
        )
        # Leaves room on each page, so that claiming and recording write the new version of a route to the same page
        # (PostgreSQL manual, "Heap-Only Tuples"). Migration 0003 explains the settings of autovacuum.
        table_settings = (
            "WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,"
            " autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 5000,"
            " autovacuum_vacuum_cost_limit = 1000)"
        )


Route.add_index(Route.notification_key, Route.route_id, unique=True, name="routes_identity")
# The claim reads the open routes of a channel in the order in which they are due. Final routes do not enlarge it.
Route.add_index(
    Route.channel, Route.next_attempt_at, Route.id, where=SQL(OPEN), name="routes_due"
)  # fmt: skip
# The loss audit walks the published routes of a channel (R12a). Without the id, so that PostgreSQL keeps one value for
# all the routes of a batch, which have one published_at; a walk sorts those few by their ids.
Route.add_index(Route.channel, Route.published_at, where=SQL("status = 'published'"), name="routes_published")
# A requeue finds the route of a dead letter, and so does the foreign key's check.
Route.add_index(
    Route.dead_letter, where=SQL("dead_letter_id IS NOT NULL"), name="routes_dead_letter_id"
)  # fmt: skip

# The open routes that end without an attempt, by the instant from which they do: their deadline, or their cancellation.
# LEAST leaves out what is NULL.
Route.add_index(
    Route.channel,
    SQL("least(expires_at, cancel_requested_at)"),
    Route.id,
    where=SQL(f"{OPEN} AND (expires_at IS NOT NULL OR cancel_requested_at IS NOT NULL)"),
    name="routes_ending",
)
# The open routes by channel, lane, producer and type: a claim jumps from one group to the next (R31).
Route.add_index(Route.group_key, Route.next_attempt_at, Route.id, where=SQL(OPEN), name="routes_shares")
# Counts and lists the few routes that ended without a command.
Route.add_index(
    Route.status,
    Route.channel,
    Route.id,
    where=SQL("status IN ('skipped', 'expired', 'cancelled')"),
    name="routes_unsent",
)
# The published routes that nobody has answered, by the age of their command.
Route.add_index(
    Route.channel, Route.published_at, where=SQL("status = 'published' AND answer IS NULL"), name="routes_unanswered"
)  # fmt: skip
# The few that were answered with something else than success, and those that were complained of.
Route.add_index(
    Route.answer,
    Route.channel,
    Route.id,
    where=SQL("answer IN ('deferred', 'bounced', 'rejected', 'failed', 'suppressed')"),
    name="routes_answered_ill",
)
Route.add_index(Route.channel, Route.id, where=SQL("complained"), name="routes_complained")


class RouteFailure(peewee.Model):
    """One failed attempt of a route, kept as long as the route is."""

    id = BigIdentityField()
    route = peewee.ForeignKeyField(
        Route, column_name="route_key", index=False, on_delete="CASCADE", constraint_name="route_failures_route"
    )
    attempt_number = peewee.IntegerField()
    classification = peewee.TextField()
    message = peewee.TextField()
    failed_at = InstantField()

    class Meta:
        table_name = "route_failures"


RouteFailure.add_index(RouteFailure.route, RouteFailure.id, name="route_failures_of_route")
