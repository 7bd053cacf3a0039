"""Drops messages that waited too long, without a dead letter."""

import dramatiq
from dramatiq.common import current_millis
from dramatiq.middleware import AgeLimit, SkipMessage


class DropOldMessages(AgeLimit):
    """The stock AgeLimit, but a message over its `max_age` is acknowledged and not dead-lettered.

    A scan that waited too long is no failure: a later one does its work. After an outage of the workers there are
    thousands of them, which would hide the dead letters that matter.
    """

    def before_process_message(self, broker: dramatiq.Broker, message: dramatiq.MessageProxy) -> None:
        """Skips the message if it is too old."""
        max_age = message.options.get("max_age")
        if max_age and current_millis() - message.message_timestamp >= max_age:
            raise SkipMessage("a later one covers it")
