"""A PostgreSQL that is back at an earlier state, and the mark that shows that all was replayed."""

import redis

from publisher.streams.keys import mark_key
from storage.accepting.marks import read_mark
from storage.database import Database
from tests.factories import INTENTS
from tests.integration.rows import execute

LOSE_EVERYTHING = (
    "TRUNCATE notifications, routes, dead_letters, route_failures, malformed_intents,"
    " delivery_events, mail_deliveries, mail_suppressions"
)
# Another server made the mark, when nothing was committed yet.
ANOTHER = "UPDATE intents_marks SET server = 'another', entry_id = '0-0'"


def is_marked(database: Database, client: redis.Redis) -> bool:
    """True if the mark stands at the stream's end, in PostgreSQL and in Redis, and nothing is being replayed."""
    [newest] = client.xrevrange(INTENTS, count=1)
    mark = read_mark(database, INTENTS)
    kept = client.get(mark_key(INTENTS))
    return mark.is_ours and not mark.replaying and mark.entry_id == newest[0].decode() and kept == newest[0]


def lose_everything(database: Database) -> None:
    """Empties what PostgreSQL accepted; its marks and replays stay."""
    execute(database, LOSE_EVERYTHING)
