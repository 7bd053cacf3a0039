"""The invariants that hold once all is quiet, read from outside by SQL and from the streams."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg2.extras
import redis

from publisher.domain.rate_limit import RateLimit
from tests.conftest import connected
from tests.factories import GROUP, INTENTS
from tests.rate_windows import over_limit

STREAMS = {"email": "mail:delivery_commands", "push": "gateway:client_events"}
# What a deploy calls the email stream for a while.
RENAMED = "mail:renamed_commands"
DELIVERY_FIELDS = (b"delivery_id", b"event_id")
FINAL = {"published", "dead_letter", "skipped", "expired", "cancelled"}


@dataclass(frozen=True)
class Expected:
    """What was sent.

    routes: delivery id -> the final statuses it may have.
    malformed: entry ids of bad intents.
    cancelled: ids of the notifications that their producer cancelled.
    """

    routes: Mapping[str, Collection[str]]
    malformed: Collection[str] = ()
    cancelled: Collection[str] = ()


@dataclass(frozen=True)
class Seen:
    """What stands in PostgreSQL and on the streams. apart: routes and notifications that have not each other."""

    routes: Mapping[str, Mapping[str, Any]]
    malformed: Mapping[str, str]
    sessions: int
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    apart: Sequence[Mapping[str, Any]] = ()
    cancellations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def violations(
    database_url: str,
    client: redis.Redis,
    expected: Expected,
    read_and_lost: Mapping[str, Collection[str]] | None = None,
) -> list[str]:
    """Everything that is not as it must be; nothing, if the promise was kept.

    read_and_lost: delivery id -> the places of its commands that a consumer read, and that Valkey lost afterwards.
    """
    seen = look(database_url, client)
    return [
        *_routes(expected, seen),
        *_apart(seen),
        *_commands(seen, read_and_lost or {}),
        *_cancellations(expected, seen),
        *_leftovers(seen, client),
        *(f"malformed entry {id_} was not recorded" for id_ in set(expected.malformed) - set(seen.malformed)),
        *(
            f"entry {id_} was recorded as malformed: {code}"
            for id_, code in seen.malformed.items()
            if id_ not in expected.malformed
        ),
    ]


def over_their_limits(client: redis.Redis, limits: Mapping[str, RateLimit]) -> list[str]:
    """A line for each channel whose stream holds more than its rate limit lets through, in any window (R30).

    limits: those that have held since the first command, by channel.
    """
    lines = []
    for channel, limit in limits.items():
        for stream in (STREAMS[channel], RENAMED) if channel == "email" else (STREAMS[channel],):
            ids = [entry_id.decode() for entry_id, _ in client.xrange(stream) or []]
            over = over_limit(ids, limit) if ids else 0
            if over > 0:
                lines.append(f"{channel} has a window with {over:.1f} commands more than {limit} lets through")
    return lines


def look(database_url: str, client: redis.Redis) -> Seen:
    """Reads everything there is."""
    with (
        connected(database_url) as connection,
        connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
    ):
        # FULL: a route without its notification has no delivery id, and a notification without routes nothing else.
        cursor.execute(
            "SELECT routes.*, n.notification_id || '/' || route_id AS delivery_id, n.id AS notification"
            " FROM routes FULL JOIN notifications AS n ON n.id = notification_key"
        )
        found = cursor.fetchall()
        routes = {row["delivery_id"]: row for row in found if row["delivery_id"] is not None}
        apart = [row for row in found if row["delivery_id"] is None]
        cursor.execute("SELECT stream_entry_id, failure_code FROM malformed_intents")
        malformed = {row["stream_entry_id"]: row["failure_code"] for row in cursor.fetchall()}
        cursor.execute(
            "SELECT count(*) AS count FROM pg_stat_activity"
            " WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
        )
        sessions = cursor.fetchone()["count"]
        cursor.execute("SELECT *, notification_id::text AS id FROM cancellations")
        cancellations = {row["id"]: row for row in cursor.fetchall()}
    return Seen(routes, malformed, sessions, commands(client), apart, cancellations)


def commands(client: redis.Redis) -> dict[str, list[str]]:
    """Delivery id -> the places of its entries on any stream."""
    found: dict[str, list[str]] = {}
    for stream in (*STREAMS.values(), RENAMED):
        for entry_id, fields in client.xrange(stream) or []:
            delivery_id = next(fields[name].decode() for name in DELIVERY_FIELDS if name in fields)
            found.setdefault(delivery_id, []).append(place(stream, entry_id.decode()))
    return found


def place(stream: str | None, entry_id: str) -> str:
    """Where a command stands: its entry id, after the stream's name if that is the renamed one."""
    return f"{stream} {entry_id}" if stream == RENAMED else entry_id


def _routes(expected: Expected, seen: Seen) -> Iterator[str]:
    for delivery_id, statuses in expected.routes.items():
        route = seen.routes.get(delivery_id)
        if route is None:
            yield f"{delivery_id} was lost: there is no such route"
        elif route["status"] not in statuses:
            yield f"{delivery_id} is {route['status']}, not {' or '.join(sorted(statuses))}"
    for delivery_id in seen.routes.keys() - expected.routes.keys():
        yield f"{delivery_id} was never sent"
    for delivery_id, route in seen.routes.items():
        if route["status"] not in FINAL:
            yield f"{delivery_id} is not final: {route['status']}, due {route['next_attempt_at']}"
        if route["lease_token"] is not None:
            yield f"{delivery_id} is still leased until {route['lease_expires_at']}"
        if route["attempt_count"] and route["last_failure_classification"] is None:
            yield f"{delivery_id} counts {route['attempt_count']} attempts that nothing explains"


def _apart(seen: Seen) -> Iterator[str]:
    for row in seen.apart:
        if row["notification"] is None:
            yield f"route {row['id']}, {row['route_id']}, has no notification"
        else:
            yield f"notification {row['notification']} has no route"


def _commands(seen: Seen, read_and_lost: Mapping[str, Collection[str]]) -> Iterator[str]:
    for delivery_id, route in seen.routes.items():
        entries = seen.commands.get(delivery_id, [])
        gone = read_and_lost.get(delivery_id, ())
        if route["status"] == "published":
            # One for each time that an operator had it published again, and one more.
            wanted = 1 + route["replay"]
            if not wanted - len(gone) <= len(entries) <= wanted:
                asked = f", republished {route['replay']} times" if route["replay"] else ""
                yield f"{delivery_id} is published{asked} and stands on its stream {len(entries)} times"
            said = place(route["stream"], route["stream_entry_id"])
            if said not in gone and said not in entries[-1:]:
                yield f"{delivery_id} stands at {list(entries)}, but PostgreSQL says {said}"
        if route["status"] in ("expired", "cancelled") and len(entries) > route["replay"]:
            yield f"{delivery_id} is {route['status']} and stands on its stream {len(entries)} times"
    for delivery_id in seen.commands.keys() - seen.routes.keys():
        yield f"{delivery_id} stands on its stream and is no route"


def _cancellations(expected: Expected, seen: Seen) -> Iterator[str]:
    """Each cancellation has one answer, and that is how its routes have ended (R28).

    A route whose command Redis loses after the answer was published, and is cancelled now, or has expired.
    """
    for id_ in set(expected.cancelled) - seen.cancellations.keys():
        yield f"the cancellation of {id_} was lost"
    for id_, cancellation in seen.cancellations.items():
        ends = Counter(route["status"] for name, route in seen.routes.items() if name.startswith(f"{id_}/"))
        told = Counter({"cancelled": cancellation["cancelled"], "published": cancellation["published"]})
        if cancellation["answered_at"] is None:
            yield f"the cancellation of {id_} has no answer: {dict(ends)}"
        elif told["cancelled"] > ends["cancelled"] or told["published"] < ends["published"]:
            yield f"the cancellation of {id_} was answered {dict(told)}, and its routes are {dict(ends)}"


def _leftovers(seen: Seen, client: redis.Redis) -> Iterator[str]:
    if seen.sessions:
        yield f"{seen.sessions} sessions are idle in a transaction"
    pending = Counter(
        {group["name"].decode(): group["pending"] for group in client.xinfo_groups(INTENTS)}
        if client.exists(INTENTS)
        else {}
    )[GROUP]
    if pending:
        yield f"{pending} intents were read and never acknowledged"


def leaks(log: str, canaries: Collection[str]) -> list[str]:
    """Those of these texts, addresses and secrets, that stand in a log."""
    return [canary for canary in canaries if canary in log]
