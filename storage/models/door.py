"""The table of the HTTP door: the tokens of those who may send over it."""

import peewee
from peewee import SQL

from storage.models.fields import BigIdentityField, InstantField


class DoorToken(peewee.Model):
    """A token of the HTTP door, kept as its hash.

    producer: the producer of the intents, and the source of the delivery events, that come with it.
    purpose: what it is for, in an operator's words.
    token_sha256: the SHA-256 of the token. The token itself is kept nowhere.
    last_used_at: when a request came with it, to the minute; NULL: never.
    revoked_at, revoked_by: since when it lets nobody in, and by whom; both NULL while it does.
    """

    id = BigIdentityField()
    producer = peewee.TextField()
    purpose = peewee.TextField()
    sends_intents = peewee.BooleanField()
    sends_events = peewee.BooleanField()
    token_sha256 = peewee.BlobField()
    created_at = InstantField()
    created_by = peewee.TextField()
    last_used_at = InstantField(null=True)
    revoked_at = InstantField(null=True)
    revoked_by = peewee.TextField(null=True)

    class Meta:
        table_name = "door_tokens"
        constraints = (
            SQL("CONSTRAINT door_tokens_send_something CHECK (sends_intents OR sends_events)"),
            SQL("CONSTRAINT door_tokens_revocation_is_whole CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))"),
        )


DoorToken.add_index(DoorToken.token_sha256, unique=True, name="door_tokens_hash")
