"""The tables beside the intents stream: how far it is committed, what was replayed, lost and rejected of it."""

import peewee
from peewee import SQL

from storage.models.fields import BigIdentityField, InstantField, JsonBinaryField


class IntentsMark(peewee.Model):
    """The entry of a stream up to which every intent is committed, and the PostgreSQL server that recorded it."""

    stream = peewee.TextField(primary_key=True)
    entry_id = peewee.TextField()
    server = peewee.TextField()
    marked_at = InstantField()

    class Meta:
        table_name = "intents_marks"


class IntentsReplay(peewee.Model):
    """A replay: intents that are read again because PostgreSQL may have lost them, and who replays them."""

    id = BigIdentityField()
    stream = peewee.TextField()
    reason = peewee.TextField()
    server = peewee.TextField()
    after_id = peewee.TextField()
    reached_id = peewee.TextField()
    up_to_id = peewee.TextField()
    covered_at = InstantField(null=True)
    begun_at = InstantField()
    ended_at = InstantField(null=True)
    seen = peewee.BigIntegerField(constraints=[SQL("DEFAULT 0")])
    replayed = peewee.BigIntegerField(constraints=[SQL("DEFAULT 0")])
    left_out = peewee.BigIntegerField(constraints=[SQL("DEFAULT 0")])
    tries = peewee.IntegerField(constraints=[SQL("DEFAULT 0")])
    replayer = peewee.TextField(null=True)
    replayer_until = InstantField(null=True)

    class Meta:
        table_name = "intents_replays"


# A stream has at most one replay that has not ended.
IntentsReplay.add_index(IntentsReplay.stream, unique=True, where=SQL("ended_at IS NULL"), name="intents_replays_open")


class IntentsLoss(peewee.Model):
    """A loss: entries that were removed from the stream before they were accepted. entries: how many; NULL: unknown."""

    id = BigIdentityField()
    stream = peewee.TextField()
    cause = peewee.TextField()
    after_id = peewee.TextField()
    before_id = peewee.TextField()
    entries = peewee.BigIntegerField(null=True)
    noticed_at = InstantField()
    acknowledged_at = InstantField(null=True)
    acknowledged_by = peewee.TextField(null=True)

    class Meta:
        table_name = "intents_losses"
        constraints = (
            SQL(
                "CONSTRAINT intents_losses_acknowledgement_is_whole CHECK"
                " ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))"
            ),
        )


# A gap that is noticed twice is recorded once.
IntentsLoss.add_index(
    IntentsLoss.stream,
    IntentsLoss.cause,
    IntentsLoss.after_id,
    IntentsLoss.before_id,
    unique=True,
    name="intents_losses_gap",
)


class MalformedIntent(peewee.Model):
    """An entry of the intents stream that was rejected, with all of its fields (R19).

    raw_fields: name -> value. A value that is not UTF-8 text, or holds NUL, is {"base64": …}. A name given more
        than once has a list of values.
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
# `storage.counts.outstanding`: those that nobody resubmitted.
MalformedIntent.add_index(MalformedIntent.id, where=SQL("resubmitted_at IS NULL"), name="malformed_intents_waiting")
