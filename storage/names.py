"""Tells whether a channel, a notification type or a classification occurs in any record."""

from storage.database import Database

# Every condition is the beginning of an index, so a name that does not occur costs as little as one that does.
_CHANNEL = """/* channel_occurs */
SELECT EXISTS (SELECT 1 FROM routes WHERE status IN ('pending', 'failed') AND channel = %(name)s)
    OR EXISTS (SELECT 1 FROM routes WHERE status = 'published' AND channel = %(name)s)
    OR EXISTS (SELECT 1 FROM routes WHERE status IN ('skipped', 'expired') AND channel = %(name)s)
    OR EXISTS (SELECT 1 FROM dead_letters WHERE channel = %(name)s)
"""

# Reads a whole table if the name does not occur: run it for an operator whose filter matched nothing.
_CLASSIFICATION = """/* classification_occurs */
SELECT EXISTS (SELECT 1 FROM dead_letters WHERE classification = %(name)s)
"""
_TYPE = """/* type_occurs */
SELECT EXISTS (SELECT 1 FROM dead_letters WHERE notification_type = %(name)s)
    OR EXISTS (SELECT 1 FROM notifications WHERE notification_type = %(name)s)
"""

# Reads the newest notifications along notifications_accepted, to suggest which type an operator meant.
_TYPES = """/* recent_types */
SELECT DISTINCT notification_type
FROM (SELECT notification_type FROM notifications ORDER BY accepted_at DESC, notification_id DESC LIMIT 10000) AS newest
"""


def channel_occurs(database: Database, name: str) -> bool:
    """Whether any route or dead letter is of this channel, installed or not."""
    return bool(database.rows(_CHANNEL, {"name": name})[0][0])


def classification_occurs(database: Database, name: str) -> bool:
    """Whether any dead letter has this classification."""
    return bool(database.rows(_CLASSIFICATION, {"name": name})[0][0])


def type_occurs(database: Database, name: str) -> bool:
    """Whether any notification on record is of this type."""
    return bool(database.rows(_TYPE, {"name": name})[0][0])


def recent_types(database: Database) -> list[str]:
    """The types of the newest notifications."""
    return [name for (name,) in database.rows(_TYPES)]
