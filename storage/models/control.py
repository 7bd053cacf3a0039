"""The tables of what is stopped and slowed: producers' cancellations, operators' holds, and rate limits (R28-R30)."""

import peewee
from peewee import SQL

from storage.models.fields import BigIdentityField, InstantField


class Cancellation(peewee.Model):
    """A producer's cancellation of one of its intents, and the answer to it (R28).

    notification_id: derived from producer and idempotency key, as that of the intent is (R1).
    intent_entry_id: the entry of the intents stream that asked for it.
    awaits_intent: no intent of this key was accepted yet; the one that comes is cancelled.
    answered_at: when the answer was final; None before. The counts are of the notification's routes then.
    otherwise: routes that ended in another way before: skipped or expired.
    """

    notification_id = peewee.UUIDField(primary_key=True)
    producer = peewee.TextField()
    idempotency_key = peewee.TextField()
    request_id = peewee.TextField(null=True)
    trace_id = peewee.TextField(null=True)
    intent_entry_id = peewee.TextField()
    requested_at = InstantField()
    awaits_intent = peewee.BooleanField(constraints=[SQL("DEFAULT false")])
    answered_at = InstantField(null=True)
    cancelled = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])
    published = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])
    otherwise = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])

    class Meta:
        table_name = "cancellations"


# The few whose routes have not all ended: each pass that ends routes looks at them.
Cancellation.add_index(
    Cancellation.notification_id,
    where=SQL("answered_at IS NULL AND NOT awaits_intent"),
    name="cancellations_unanswered",
)
Cancellation.add_index(Cancellation.requested_at, name="cancellations_requested")
Cancellation.add_index(Cancellation.intent_entry_id, name="cancellations_entry")
Cancellation.add_index(Cancellation.idempotency_key, name="cancellations_idempotency_key")


class Hold(peewee.Model):
    """A hold: no claim takes a route that matches every column that is set (R29)."""

    id = BigIdentityField()
    channel = peewee.TextField(null=True)
    notification_type = peewee.TextField(null=True)
    producer = peewee.TextField(null=True)
    recipient_ref = peewee.TextField(null=True)
    reason = peewee.TextField()
    held_by = peewee.TextField()
    held_at = InstantField()

    class Meta:
        table_name = "holds"
        constraints = (
            SQL(
                "CONSTRAINT holds_name_something CHECK"
                " (num_nonnulls(channel, notification_type, producer, recipient_ref) > 0)"
            ),
        )


class ChannelLimit(peewee.Model):
    """The rate limit that an operator has set for a channel (R30). A channel without a row has that of its settings.

    per_second, burst: both None where the operator wants no limit, whatever the settings say.
    """

    channel = peewee.TextField(primary_key=True)
    per_second = peewee.DoubleField(null=True)
    burst = peewee.IntegerField(null=True)
    set_by = peewee.TextField()
    set_at = InstantField()

    class Meta:
        table_name = "channel_limits"
        constraints = (
            SQL("CONSTRAINT channel_limits_are_whole CHECK ((per_second IS NULL) = (burst IS NULL))"),
            SQL("CONSTRAINT channel_limits_let_something_through CHECK (per_second > 0 AND burst >= 1)"),
        )
