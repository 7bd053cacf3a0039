"""The tables of what became of commands: delivery events, the mail service's deliveries, and suppressed addresses."""

import peewee
from peewee import SQL

from storage.models.fields import BigIdentityField, InstantField, JsonTextField
from storage.models.routes import Route

EVENTS = "'accepted', 'deferred', 'delivered', 'bounced', 'complained', 'rejected', 'failed', 'suppressed'"


class DeliveryEvent(peewee.Model):
    """A delivery event, kept as long as its route is, and never changed (R32).

    channel: the route's.
    source, event_id: name the event.
    detail: a JSON object as the source sent it; None: it sent none.
    stream_entry_id: the entry that it came by; None: this service recorded it itself.
    """

    id = BigIdentityField()
    route = peewee.ForeignKeyField(
        Route, column_name="route_key", index=False, on_delete="CASCADE", constraint_name="delivery_events_route"
    )
    channel = peewee.TextField()
    source = peewee.TextField()
    event_id = peewee.TextField()
    event = peewee.TextField()
    occurred_at = InstantField()
    recorded_at = InstantField()
    permanence = peewee.TextField(null=True)
    fault = peewee.TextField(null=True)
    code = peewee.TextField(null=True)
    enhanced_code = peewee.TextField(null=True)
    diagnostic = peewee.TextField(null=True)
    provider_ref = peewee.TextField(null=True)
    detail = JsonTextField(null=True)
    stream_entry_id = peewee.TextField(null=True)

    class Meta:
        table_name = "delivery_events"
        constraints = (SQL(f"CONSTRAINT delivery_events_event_is_known CHECK (event IN ({EVENTS}))"),)


DeliveryEvent.add_index(DeliveryEvent.source, DeliveryEvent.event_id, unique=True, name="delivery_events_identity")
DeliveryEvent.add_index(DeliveryEvent.route, DeliveryEvent.id, name="delivery_events_of_route")
# The first and the last event of each channel: since when, and up to when, anything was answered there.
DeliveryEvent.add_index(DeliveryEvent.channel, DeliveryEvent.id, name="delivery_events_of_channel")


class MailDelivery(peewee.Model):
    """What the mail service did about one delivery: it sends each once (R33).

    delivery_id: of the command.
    route: with which it is pruned; None: PostgreSQL knew no such route.
    state: see `publisher.domain.mail_outcome`.
    entry_id: the entry of the command that was taken up last.
    tries: attempts that ended without being sent or given up.
    unsure: how often the message may have been accepted while the reply was lost.
    takeovers: how often its kept command was taken over in a row, each time from a process that had not tried it to the
        end.
    lease_token, lease_expires_at: of the process that sends it at this moment; both None: nobody does.
    begun_at: when it was taken up for the first time.
    next_attempt_at: when a deferred one is tried again. Of one that is begun: when its lease ends, if its command is on
        the stream no more, so that it is found here; None: it is, or nothing follows.
    held_at: since when an operator is to decide; None in every other state.
    command: the fields of the command as a JSON object, once its entry is acknowledged and it is not over; else None.
    event: the outcome, which a repetition of the command is answered with; None before there is one.
    ended_at: when it was sent or given up.
    """

    delivery_id = peewee.TextField(primary_key=True)
    route = peewee.ForeignKeyField(
        Route,
        column_name="route_key",
        null=True,
        index=False,
        on_delete="CASCADE",
        constraint_name="mail_deliveries_route",
    )
    state = peewee.TextField()
    entry_id = peewee.TextField()
    tries = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])
    unsure = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])
    takeovers = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])
    lease_token = peewee.TextField(null=True)
    lease_expires_at = InstantField(null=True)
    begun_at = InstantField()
    next_attempt_at = InstantField(null=True)
    held_at = InstantField(null=True)
    command = JsonTextField(null=True)
    event = peewee.TextField(null=True)
    ended_at = InstantField(null=True)

    class Meta:
        table_name = "mail_deliveries"
        constraints = (
            SQL(
                "CONSTRAINT mail_deliveries_state_is_known CHECK"
                " (state IN ('begun', 'waiting', 'sent', 'given_up', 'held'))"
            ),
            SQL("CONSTRAINT mail_deliveries_begun_has_a_lease CHECK ((state = 'begun') = (lease_token IS NOT NULL))"),
            SQL("CONSTRAINT mail_deliveries_lease_is_both CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL))"),
            SQL(
                "CONSTRAINT mail_deliveries_waiting_is_scheduled CHECK (CASE state WHEN 'waiting' THEN"
                " next_attempt_at IS NOT NULL WHEN 'begun' THEN true ELSE next_attempt_at IS NULL END)"
            ),
            SQL("CONSTRAINT mail_deliveries_held_says_since CHECK ((state = 'held') = (held_at IS NOT NULL))"),
            SQL(
                "CONSTRAINT mail_deliveries_keeps_its_command CHECK"
                " (command IS NOT NULL OR (next_attempt_at IS NULL AND state <> 'held'))"
            ),
            SQL(
                "CONSTRAINT mail_deliveries_ended_says_how CHECK"
                " (state NOT IN ('sent', 'given_up') OR (event IS NOT NULL AND ended_at IS NOT NULL))"
            ),
        )
        # Each row is updated once, on its own page. No index names the state: so the update writes no index.
        table_settings = "WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02)"


MailDelivery.add_index(MailDelivery.route, name="mail_deliveries_of_route")
# The deferred ones, in the order in which they are due; those that an operator is to decide on.
MailDelivery.add_index(
    MailDelivery.next_attempt_at, where=SQL("next_attempt_at IS NOT NULL"), name="mail_deliveries_due"
)  # fmt: skip
MailDelivery.add_index(MailDelivery.held_at, where=SQL("held_at IS NOT NULL"), name="mail_deliveries_held")


class MailSuppression(peewee.Model):
    """An address that the mail service sends nothing to.

    address: as it is compared, see `storage.mail.suppressions`.
    reason: `bounced`, `complained`, or `operator`.
    delivery_id: the delivery that bounced or was complained of; None: an operator added it.
    note: what the operator said; None: nothing.
    added_by: the operator, or the source of the event.
    expires_at: until when; None: until an operator removes it.
    """

    address = peewee.TextField(primary_key=True)
    reason = peewee.TextField()
    delivery_id = peewee.TextField(null=True)
    note = peewee.TextField(null=True)
    added_by = peewee.TextField()
    added_at = InstantField()
    expires_at = InstantField(null=True)

    class Meta:
        table_name = "mail_suppressions"
        constraints = (
            SQL("CONSTRAINT mail_suppressions_reason_is_known CHECK (reason IN ('bounced', 'complained', 'operator'))"),
        )


MailSuppression.add_index(
    MailSuppression.expires_at, where=SQL("expires_at IS NOT NULL"), name="mail_suppressions_expiring"
)  # fmt: skip


class MailReferenceKey(peewee.Model):
    """The key of the words that name a delivery in its messages, see `storage.mail.reference_key`. At most one row."""

    id = peewee.SmallIntegerField(primary_key=True, constraints=[SQL("DEFAULT 1")])
    key = peewee.TextField()

    class Meta:
        table_name = "mail_reference_key"
        constraints = (SQL("CONSTRAINT mail_reference_key_is_one CHECK (id = 1)"),)
