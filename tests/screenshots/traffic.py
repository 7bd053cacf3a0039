"""The producers and the readers of an afternoon: what they send, and what they say of the commands they read."""

import json
import math
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import redis

from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from tests.factories import EVENTS, INTENTS, event_fields

# Type, producer, channels, payload.
_KINDS = (
    ("game.turn.ready", "game-service", ("email", "push"), {"game": "chess", "turn": 17}),
    ("game.turn.ready", "game-service", ("push",), {"game": "go", "turn": 4}),
    ("invoice.due", "billing", ("email",), {"invoice": "2026-1107", "amount": "49.00 EUR"}),
    ("club.news.weekly", "newsletter", ("email",), {"week": 47}),
)
# A wave, so that the charts have something to show: intents a second, and its length in seconds.
_LEAST, _MOST, _WAVE = 15.0, 70.0, 90.0
# Of so many intents one goes to something that is no address, one is malformed, one email of so many bounces.
_BAD, _BROKEN, _BOUNCES = 120, 150, 60


@contextmanager
def traffic(redis_url: str, seed: int = 17) -> Iterator[None]:
    """Sends intents and reads commands until the block ends."""
    ends = threading.Event()
    threads = [
        threading.Thread(target=_send, args=(redis_url, ends, random.Random(seed))),
        threading.Thread(target=_read, args=(redis_url, ends, random.Random(seed), EMAIL.stream, "mail-service")),
        threading.Thread(target=_read, args=(redis_url, ends, random.Random(seed), PUSH.stream, "gateway")),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ends.set()
        for thread in threads:
            thread.join()


def _send(redis_url: str, ends: threading.Event, roll: random.Random) -> None:
    with redis.Redis.from_url(redis_url) as client:
        number = 0
        while not ends.wait(0.25):
            height = (1 - math.cos(2 * math.pi * time.monotonic() / _WAVE)) / 2
            for _ in range(round((_LEAST + (_MOST - _LEAST) * height) / 4)):
                number += 1
                client.xadd(INTENTS, dict(_intent(number, roll)))


def _intent(number: int, roll: random.Random) -> Mapping[str, str]:
    kind, producer, channels, payload = roll.choices(_KINDS, weights=(4, 2, 1, 2))[0]
    user = roll.randrange(1, 5_000)
    address = "nobody-at-example.com" if number % _BAD == 0 else f"user-{user}@example.com"
    fields: dict[str, object] = {
        "notification_type": kind,
        "producer": producer,
        "audience_kind": "user",
        "recipients_json": [{"user_id": str(user), "email": address, "locale": "en"}],
        "channels_json": channels,
        "idempotency_key": f"{kind}-{user}-{number}",
        "occurred_at_ms": str(round(time.time() * 1000)),
        "payload_json": payload,
    }
    if number % _BROKEN == 0:
        fields |= roll.choice(({"channels_json": ["email", "sms"]}, {"payload_json": '{"invoice": '}))
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}


def _read(redis_url: str, ends: threading.Event, roll: random.Random, stream: str, group: str) -> None:
    """Reads the commands as another system does. The mail service says of each email what became of it."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        client.xgroup_create(stream, group, id="0", mkstream=True)
        while not ends.is_set():
            for _, entries in client.xreadgroup(group, f"{group}-1", {stream: ">"}, count=500, block=200) or []:
                for entry, fields in entries:
                    client.xack(stream, group, entry)
                    if stream == EMAIL.stream:
                        client.xadd(EVENTS, _event(fields["delivery_id"], roll))


def _event(delivery_id: str, roll: random.Random) -> dict[str, str]:
    at = str(round(time.time() * 1000))
    if roll.randrange(_BOUNCES):
        return event_fields(delivery_id=delivery_id, event="delivered", occurred_at_ms=at, source="mail-service")
    return event_fields(
        delivery_id=delivery_id,
        event="bounced",
        occurred_at_ms=at,
        source="mail-service",
        permanence="permanent",
        fault="recipient",
        code="550",
        enhanced_code="5.1.1",
        diagnostic="550 5.1.1 no such mailbox",
    )
