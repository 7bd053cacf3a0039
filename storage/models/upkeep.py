"""The tables beside the routes: channel gates, operators' actions, loss audits and the keys of pruned notifications."""

import peewee
from peewee import SQL

from storage.models.fields import BigIdentityField, InstantField, JsonBinaryField


class ChannelGate(peewee.Model):
    """The gate of a channel: paused by an operator, or parked because its stream refuses everything.

    A channel without a row is open.
    """

    channel = peewee.TextField(primary_key=True)
    paused_at = InstantField(null=True)
    paused_by = peewee.TextField(null=True)
    pause_reason = peewee.TextField(null=True)
    refused_batches = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])
    parked_at = InstantField(null=True)
    park_reason = peewee.TextField(null=True)
    probe_at = InstantField(null=True)
    probes = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])

    class Meta:
        table_name = "channel_gates"
        constraints = (
            SQL(
                "CONSTRAINT channel_gates_pause_is_whole CHECK ((paused_at IS NULL) = (paused_by IS NULL)"
                " AND (paused_at IS NULL) = (pause_reason IS NULL))"
            ),
            SQL(
                "CONSTRAINT channel_gates_park_is_whole CHECK ((parked_at IS NULL) = (park_reason IS NULL)"
                " AND (parked_at IS NULL) = (probe_at IS NULL))"
            ),
        )


class OperatorAction(peewee.Model):
    """An operator's action: who began it and when, its target, how many rows it changed, and how it ended."""

    id = BigIdentityField()
    action = peewee.TextField()
    by = peewee.TextField()
    target = JsonBinaryField()
    matched = peewee.BigIntegerField()
    done = peewee.BigIntegerField(constraints=[SQL("DEFAULT 0")])
    outcome = peewee.TextField(constraints=[SQL("DEFAULT 'running'")])
    begun_at = InstantField()
    ended_at = InstantField(null=True)

    class Meta:
        table_name = "operator_actions"
        constraints = (
            SQL(
                "CONSTRAINT operator_actions_outcome_is_known CHECK"
                " (outcome IN ('running', 'done', 'interrupted', 'failed'))"
            ),
            SQL("CONSTRAINT operator_actions_end_is_told CHECK ((outcome = 'running') = (ended_at IS NULL))"),
        )


class StreamAudit(peewee.Model):
    """The loss audits of a channel: when the last one ended, what it covered, and who holds the audit's lease (R12a).

    audited_at: 'epoch' before the first audit has ended.
    redis_identity: written by the release before, which computes it in another way.
    """

    channel = peewee.TextField(primary_key=True)
    redis_identity = peewee.TextField()
    audited_at = InstantField()
    covered_to = InstantField(null=True)
    auditor = peewee.TextField(null=True)
    auditor_until = InstantField(null=True)
    identity = peewee.TextField(null=True)

    class Meta:
        table_name = "stream_audits"


class PrunedNotification(peewee.Model):
    """What is left of a pruned notification, so that its repetition still changes nothing (R18)."""

    notification_id = peewee.UUIDField(primary_key=True)
    request_fingerprint = peewee.BlobField()
    pruned_at = InstantField()

    class Meta:
        table_name = "pruned_notifications"
        table_settings = "WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)"


PrunedNotification.add_index(PrunedNotification.pruned_at, name="pruned_notifications_pruned")
