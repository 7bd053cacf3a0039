"""Drops messages that waited too long, without a dead letter."""

import dramatiq
import structlog
from dramatiq.common import current_millis
from dramatiq.middleware import AgeLimit, SkipMessage

_log = structlog.get_logger()


class DropOldMessages(AgeLimit):
    """The stock AgeLimit, but a message over its `max_age` is acknowledged and not dead-lettered.

    A scan that waited too long is no failure: a later one does its work. After an outage of the workers there are
    thousands of them, which would hide the dead letters that matter. For the same reason each is logged at debug level
    alone, and Dramatiq's own warning of it is left out (`publisher.process.logs`).
    """

    def before_process_message(self, broker: dramatiq.Broker, message: dramatiq.MessageProxy) -> None:
        """Skips the message if it is too old."""
        max_age = message.options.get("max_age")
        age = current_millis() - message.message_timestamp
        if max_age and age >= max_age:
            _log.debug("a message that waited too long is dropped", actor=message.actor_name, waited_ms=age)
            raise SkipMessage("a later one covers it")
