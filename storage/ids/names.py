"""Reads which names occur on record, at a cost that does not grow with the tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Database
from storage.models.routes import WAITING

# How many of the newest rows are looked at for names that begin no index.
NEWEST = 10_000

# By the indexes that begin with the channel or the status. Dead letters that were requeued or discarded are in none of
# them: of those the newest tell.
_CHANNEL = f"""/* channel_occurs */
SELECT EXISTS (SELECT 1 FROM routes WHERE status IN ('pending', 'failed') AND channel = %(name)s)
    OR EXISTS (SELECT 1 FROM routes WHERE status = 'published' AND channel = %(name)s)
    OR EXISTS (SELECT 1 FROM routes WHERE status IN ('skipped', 'expired', 'cancelled') AND channel = %(name)s)
    OR EXISTS (SELECT 1 FROM dead_letters WHERE {WAITING} AND channel = %(name)s)
    OR %(name)s IN (SELECT channel FROM dead_letters ORDER BY id DESC LIMIT {NEWEST})
"""


# Along an index, backwards. One row more than are looked at tells whether there are more.
def _newest(name: str, column: str, rows: str) -> str:
    return f"""/* {name} */
WITH newest AS MATERIALIZED (SELECT {column} AS name FROM {rows} LIMIT {NEWEST + 1})
SELECT coalesce(array_agg(DISTINCT name), '{{}}'), count(*) <= {NEWEST} FROM newest
"""


_BY_ACCEPTANCE = "notifications ORDER BY id DESC"
_TYPES = _newest("newest_types", "notification_type", _BY_ACCEPTANCE)
_PRODUCERS = _newest("newest_producers", "producer", _BY_ACCEPTANCE)
_CLASSIFICATIONS = _newest("newest_classifications", "classification", "dead_letters ORDER BY id DESC")
_ACTIONS = _newest("newest_actions", "action", "operator_actions ORDER BY id DESC")
_OPERATORS = _newest("newest_operators", "by", "operator_actions ORDER BY id DESC")
_STREAMS = _newest("newest_streams", "stream", "malformed_intents ORDER BY id DESC")


@dataclass(frozen=True, slots=True)
class NewestNames:
    """The names that the newest records have.

    complete: these are all the records that there are.
    """

    names: Sequence[str]
    complete: bool


def channel_occurs(database: Database, name: str) -> bool:
    """Returns whether any route or dead letter is of this channel, installed or not.

    Missed is a channel that has nothing but dead letters that were dealt with before the newest 10,000.
    """
    return bool(database.rows(_CHANNEL, {"name": name})[0][0])


def newest_types(database: Database) -> NewestNames:
    """Returns the types of the newest notifications. A dead letter is of the type of its notification."""
    return _read(database, _TYPES)


def newest_producers(database: Database) -> NewestNames:
    """Returns the producers of the newest notifications."""
    return _read(database, _PRODUCERS)


def newest_classifications(database: Database) -> NewestNames:
    """Returns the classifications of the newest dead letters."""
    return _read(database, _CLASSIFICATIONS)


def newest_actions(database: Database) -> NewestNames:
    """Returns the kinds of the newest operators' actions."""
    return _read(database, _ACTIONS)


def newest_operators(database: Database) -> NewestNames:
    """Returns the operators of the newest actions."""
    return _read(database, _OPERATORS)


def newest_streams(database: Database) -> NewestNames:
    """Returns the streams of the newest malformed intents."""
    return _read(database, _STREAMS)


def _read(database: Database, sql: str) -> NewestNames:
    return NewestNames(*database.rows(sql)[0])
