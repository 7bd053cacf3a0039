"""A delivery in hand: what PostgreSQL has of it, and the command that asked for it."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from publisher.mail.messages.command import MailCommand
from storage.mail.deliveries import BegunMail

Fields = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery that this process has begun.

    entry_id: the entry to acknowledge once there is an outcome; None: it is acknowledged, and the command kept.
    fields: of the command, as they stood on the stream.
    """

    begun: BegunMail
    entry_id: str | None
    fields: Fields
    command: MailCommand

    @property
    def delivery_id(self) -> str:
        """The delivery's id."""
        return self.begun.delivery_id

    @property
    def fields_to_keep(self) -> str | None:
        """The fields to keep where it is deferred, as a JSON object; None: they are kept already."""
        return None if self.begun.command is not None else fields_as_json(self.fields)


def fields_as_json(fields: Fields) -> str:
    """Returns the fields of a command, which are UTF-8, as a JSON object."""
    return orjson.dumps({name.decode(): value.decode() for name, value in fields}).decode()


def fields_of_json(text: str) -> Fields:
    """Returns the fields that `fields_as_json` wrote; of another JSON value those that it could have written."""
    kept = orjson.loads(text)
    named = kept.items() if isinstance(kept, dict) else ()
    return [(name.encode(), value.encode()) for name, value in named if isinstance(value, str)]
