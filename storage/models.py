"""The tables, with the transition table repeated as CHECK constraints (R3). Nothing else.

A migration makes them; a test proves that these models and the migrations agree.
"""

import peewee
from peewee import SQL

from storage.fields import BigIdentityField, InstantField, JsonBinaryField, JsonTextField
from storage.intents_models import IntentsLoss, IntentsMark, IntentsReplay
from storage.upkeep_models import ChannelGate, OperatorAction, PrunedNotification, StreamAudit

OPEN = "status IN ('pending', 'failed')"


class Notification(peewee.Model):
    """An accepted intent. Its id is derived from producer and idempotency key, so it is the uniqueness (R1, R18)."""

    notification_id = peewee.UUIDField(primary_key=True)
    notification_type = peewee.TextField()
    producer = peewee.TextField()
    audience_kind = peewee.TextField()
    idempotency_key = peewee.TextField()
    request_fingerprint = peewee.TextField()
    payload = JsonTextField()
    request_id = peewee.TextField(null=True)
    trace_id = peewee.TextField(null=True)
    occurred_at = InstantField()
    accepted_at = InstantField()
    intent_entry_id = peewee.TextField(null=True)
    expires_at = InstantField(null=True)

    class Meta:
        table_name = "notifications"
        table_settings = "WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)"


# From what an operator has in hand to the notification.
Notification.add_index(Notification.intent_entry_id, name="notifications_intent")
Notification.add_index(Notification.idempotency_key, name="notifications_idempotency_key")
# The oldest first, for pruning.
Notification.add_index(Notification.accepted_at, Notification.notification_id, name="notifications_accepted")


class DeadLetter(peewee.Model):
    """One giving up of a route, kept after a requeue with who and when (R3).

    No foreign key to the route: the route points here, and both ways would be a circle.
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

    class Meta:
        table_name = "dead_letters"
        constraints = (
            SQL("CONSTRAINT dead_letters_requeue_is_both CHECK ((requeued_at IS NULL) = (requeued_by IS NULL))"),
        )


DeadLetter.add_index(DeadLetter.notification_id, DeadLetter.route_id, name="dead_letters_route")
# What waits for an operator, newest first.
DeadLetter.add_index(DeadLetter.channel, DeadLetter.id, where=SQL("requeued_at IS NULL"), name="dead_letters_waiting")


class Route(peewee.Model):
    """One recipient on one channel: the truth of what was and will be published."""

    id = BigIdentityField()
    notification = peewee.ForeignKeyField(
        Notification,
        column_name="notification_id",
        object_id_name="notification_id",
        index=False,
        constraint_name="routes_notification",
    )
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
    producer = peewee.TextField(null=True)
    lane = peewee.TextField(constraints=[SQL("DEFAULT 'normal'")])

    class Meta:
        table_name = "routes"
        constraints = (
            SQL(
                "CONSTRAINT routes_status_is_known CHECK"
                " (status IN ('pending', 'failed', 'published', 'dead_letter', 'skipped', 'expired'))"
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
        )
        # Room on each page for the versions of a route: claim and completion then stay on it (PostgreSQL
        # manual, "Heap-Only Tuples"). When it is vacuumed: see migration 0003.
        table_settings = (
            "WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,"
            " autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 5000,"
            " autovacuum_vacuum_cost_limit = 1000)"
        )


Route.add_index(Route.notification, Route.route_id, unique=True, name="routes_identity")
# The claim: the open routes of a channel, by when they are due. Small however many final routes there are.
Route.add_index(
    Route.channel, Route.next_attempt_at, Route.id, where=SQL(OPEN), name="routes_due"
)  # fmt: skip
# The loss audit's window (R12a).
Route.add_index(
    Route.channel, Route.published_at, Route.id, where=SQL("status = 'published'"), name="routes_published"
)  # fmt: skip
# From a dead letter to its route, for the requeue, and for the check of the foreign key.
Route.add_index(
    Route.dead_letter, where=SQL("dead_letter_id IS NOT NULL"), name="routes_dead_letter_id"
)  # fmt: skip

# Routes that a deadline will end. Nothing of it is paid for by those without one.
Route.add_index(
    Route.channel, Route.expires_at, Route.id, where=SQL(f"{OPEN} AND expires_at IS NOT NULL"), name="routes_expiring"
)  # fmt: skip
# Routes that ended without a command, to be counted and listed: few among millions, which nothing else finds.
Route.add_index(
    Route.status, Route.channel, Route.id, where=SQL("status IN ('skipped', 'expired')"), name="routes_unsent"
)  # fmt: skip


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


class MalformedIntent(peewee.Model):
    """An entry of the intents stream that was not accepted, whole (R19).

    raw_fields: name -> value. A value that is no clean text is {"base64": …}; a name given twice holds a list.
    """

    id = BigIdentityField()
    stream = peewee.TextField()
    stream_entry_id = peewee.TextField()
    failure_code = peewee.TextField()
    failure_message = peewee.TextField()
    raw_fields = JsonBinaryField()
    recorded_at = InstantField()
    resubmitted_at = InstantField(null=True)
    resubmitted_by = peewee.TextField(null=True)
    resubmitted_as = peewee.TextField(null=True)

    class Meta:
        table_name = "malformed_intents"
        constraints = (
            SQL(
                "CONSTRAINT malformed_intents_resubmission_is_whole CHECK ((resubmitted_at IS NULL)"
                " = (resubmitted_by IS NULL) AND (resubmitted_at IS NULL) = (resubmitted_as IS NULL))"
            ),
        )


MalformedIntent.add_index(
    MalformedIntent.stream, MalformedIntent.stream_entry_id, unique=True, name="malformed_intents_entry"
)


MODELS: tuple[type[peewee.Model], ...] = (
    Notification,
    DeadLetter,
    Route,
    RouteFailure,
    ChannelGate,
    OperatorAction,
    MalformedIntent,
    StreamAudit,
    PrunedNotification,
    IntentsMark,
    IntentsReplay,
    IntentsLoss,
)
