"""Two rulers beside every figure: the obvious loop, and the least work that batches can be.

Both speak to the servers through psycopg2 and redis-py alone: no framework, no logs, no telemetry.
"""

import multiprocessing
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg2
import redis

from publisher.streams.keys import counted_key, limit_key, witness_key
from publisher.streams.outbound import _SCRIPT
from storage.array_literals import array_literal
from storage.claiming.claims import _CLAIM_DUE, DUE_AT
from storage.outcomes.outcomes import _PUBLISHED
from storage.places import Place, place_parameters

STREAMS = {"email": "mail:delivery_commands", "push": "gateway:client_events"}


def route_by_route(database_url: str, redis_url: str, count: int) -> float:
    """Routes a second of the obvious loop: lease, load, load, append, complete, release, a round trip each."""
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    client = redis.Redis.from_url(redis_url)
    began = time.monotonic()
    done = 0
    with connection, connection.cursor() as cursor:
        while done < count:
            cursor.execute(
                "UPDATE routes SET lease_token = gen_random_uuid()::text, lease_expires_at = now() + interval '30 s'"
                " WHERE id = (SELECT id FROM routes WHERE status = 'pending' AND next_attempt_at <= now()"
                " AND lease_token IS NULL AND channel = 'email' ORDER BY next_attempt_at LIMIT 1"
                " FOR UPDATE SKIP LOCKED) RETURNING id, notification_key"
            )
            route_id, notification_key = cursor.fetchone()
            cursor.execute("SELECT * FROM notifications WHERE id = %s", [notification_key])
            notification = cursor.fetchone()
            cursor.execute("SELECT * FROM routes WHERE id = %s", [route_id])
            route = cursor.fetchone()
            fields = {"delivery_id": f"{route[1]}/{route[2]}", "payload_json": str(notification[6])}
            entry_id = client.xadd(STREAMS["email"], fields)
            cursor.execute(
                "UPDATE routes SET status = 'published', published_at = now(), next_attempt_at = NULL,"
                " lease_token = NULL, lease_expires_at = NULL, stream_entry_id = %s WHERE id = %s",
                [entry_id.decode(), route_id],
            )
            cursor.execute("UPDATE routes SET updated_at = now() WHERE id = %s", [route_id])
            done += 1
    connection.close()
    client.close()
    return count / (time.monotonic() - began)


def floor(database_url: str, redis_url: str, count: int, *, processes: int, batch: int = 500) -> float:
    """Routes a second of the same batched SQL and the same append script in a bare loop, in so many processes."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        arguments = [(database_url, redis_url, batch, n) for n in range(processes)]
        # Connected and warm before the clock starts.
        pool.map(_warm, range(processes * 4))
        began = time.monotonic()
        done = sum(pool.starmap(_floor, arguments, chunksize=1))
        elapsed = time.monotonic() - began
    if done != count:
        raise AssertionError(f"the floor published {done} of {count}")
    return count / elapsed


def _warm(_n: int) -> None:
    time.sleep(0.05)


def _floor(database_url: str, redis_url: str, batch: int, worker: int) -> int:
    connection = psycopg2.connect(database_url, options="-c timezone=UTC")
    connection.autocommit = True
    client = redis.Redis.from_url(redis_url)
    append = client.register_script(_SCRIPT)
    done = 0
    channels = ["email", "push"]
    if worker % 2:
        channels.reverse()
    with connection.cursor() as cursor:
        for channel in channels:
            place: Place[int] | None = None
            while True:
                rows = _claimed(cursor, channel, f"floor-{worker}-{done}", batch, place)
                if not rows:
                    if place is None:
                        break
                    place = None
                    continue
                place = Place(rows[-1][DUE_AT], rows[-1][0])
                entries = _append(append, channel, rows)
                # An array a column, in the order of the keys.
                outcomes = sorted((row[0], entry, row[4], row[5]) for row, entry in zip(rows, entries, strict=True))
                arrays = map(array_literal, zip(*outcomes, strict=True))
                cursor.execute(
                    _PUBLISHED,
                    {
                        **dict(zip(("ids", "entries", "statuses", "attempts"), arrays, strict=True)),
                        "unwitnessed": "{}",
                        "token": f"floor-{worker}-{done}",
                        "witness_after_lease": timedelta(hours=1),
                    },
                )
                done += len(cursor.fetchall())
    connection.close()
    return done


def _claimed(cursor: Any, channel: str, token: str, batch: int, place: Place[int] | None) -> Sequence[Any]:
    lease = {"channel": channel, "limit": batch, "token": token, "ttl": timedelta(seconds=30), "through": False}
    lease |= {"stream": STREAMS[channel], "limited": False, "hoped": False, "look_for_lanes": False}
    cursor.execute(_CLAIM_DUE, lease | place_parameters(place, 0))
    # Where nothing is due, one row tells of the channel alone.
    return [row for row in cursor.fetchall() if row[0] is not None]


def _append(append: Any, channel: str, rows: Sequence[Any]) -> list[str]:
    stream = STREAMS[channel]
    keys, arguments = [stream, counted_key(stream), limit_key(stream, channel)], [3_600_000, 0, 0, 0]
    for row in rows:
        delivery_id = f"{row[1]}/{row[2]}"
        keys.append(witness_key(stream, delivery_id))
        fields = _fields(channel, delivery_id, row)
        arguments += [0, len(fields), *fields]
    reply = append(keys=keys, args=arguments)
    # Every delivery is new: each reply is an entry id.
    return [entry.decode() for entry in reply]


def _fields(channel: str, delivery_id: str, row: Any) -> list[str]:
    if channel == "push":
        return [
            *("event_id", delivery_id, "user_id", row[7][5:], "event_type", row[13], "payload_json", row[17]),
            *("occurred_at_ms", "1773480413589", "request_id", row[18]),
        ]
    payload = (
        f'{{"to":["{row[8]}"],"cc":[],"bcc":[],"reply_to":[],"template_id":"{row[13]}","locale":"en",'
        f'"variables":{row[17]},"attachments":[]}}'
    )
    return [
        *("delivery_id", delivery_id, "source", "notification", "payload_mode", "template"),
        *("idempotency_key", f"notification:{delivery_id}", "requested_at_ms", "1773480413589"),
        *("payload_json", payload, "request_id", row[18]),
    ]
