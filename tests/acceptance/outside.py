"""What everyone else sees of the service: its producers, the consumers of its streams, an operator with psql."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import psycopg2.extras
import redis

from tests.factories import GROUP, INTENTS
from tests.waiting import wait_until

EMAIL = "mail:delivery_commands"
PUSH = "gateway:client_events"
# Settings under which no process scans by itself while a test lasts.
NO_SCANS = {"PUBLISHER_SCAN_INTERVAL": "3600", "PUBLISHER_DEDUP_WINDOW": "7200"}


class Outside:
    """The two servers, spoken to without any code of the service."""

    def __init__(self, connection: "psycopg2.extensions.connection", client: redis.Redis) -> None:
        self.connection = connection
        self.redis = client

    def send(self, *intents: Mapping[Any, Any]) -> list[str]:
        """Adds these entries to the intents stream as a producer does, and returns their ids."""
        with self.redis.pipeline(transaction=False) as pipe:
            for fields in intents:
                pipe.xadd(INTENTS, dict(fields))
            return list(pipe.execute())

    def commands(self, stream: str) -> list[dict[str, str]]:
        """Every command on the stream, in order."""
        return [fields for _, fields in self.redis.xrange(stream)]

    def deliveries(self, stream: str) -> Counter[str]:
        """How often each delivery stands on the stream."""
        return Counter(c.get("delivery_id", c.get("event_id", "")) for c in self.commands(stream))

    def rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        """The rows of a statement, by column name."""
        with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(sql, parameters or None)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def row(self, sql: str, *parameters: object) -> dict[str, Any]:
        """The only row of a statement."""
        (row,) = self.rows(sql, *parameters)
        return row

    def statuses(self) -> dict[str, int]:
        """How many routes there are of each status."""
        return {r["status"]: r["count"] for r in self.rows("SELECT status, count(*) FROM routes GROUP BY status")}

    def wait_for_routes(self, *, within: float = 30.0, **statuses: int) -> None:
        """Returns once there are so many routes of these statuses, and none of any other."""
        wait_until(lambda: self.statuses() == statuses, within=within, describe=self.statuses)

    def wait_until_acknowledged(self) -> None:
        """Returns once the group has read and acknowledged everything on the intents stream."""
        wait_until(lambda: self._group() == (0, 0), describe=self._group)

    def _group(self) -> tuple[int | None, int] | None:
        for group in self.redis.xinfo_groups(INTENTS):
            if group["name"] == GROUP:
                return group["lag"], group["pending"]
        return None


def users(count: int) -> list[dict[str, str]]:
    """So many recipients, each with an address."""
    return [{"user_id": str(n), "email": f"user{n}@example.com"} for n in range(count)]
