"""Intake: so many intents of two routes each, waiting on the stream."""

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from publisher.local.embedded import Servers
from tests.benchmarks.stage import INTENTS_STREAM, Stage, stage

if TYPE_CHECKING:
    # That of an earlier commit has none.
    from tests.benchmarks.stage import Place

_BATCH = 1000


def intent(number: int) -> dict[str, str]:
    """An intent of two routes."""
    return {
        "notification_type": "game.turn.ready",
        "producer": "game-service",
        "audience_kind": "user",
        "recipients_json": json.dumps([{"user_id": str(number), "email": f"user-{number}@example.com"}]),
        "idempotency_key": f"turn-{number}",
        "occurred_at_ms": "1773480413589",
        "payload_json": json.dumps({"game": "chess", "turn": number, "text": "x" * 100}),
        "request_id": f"request-{number}",
    }


def accepted_per_second(servers: Servers, intents: int) -> float:
    """Intents a second that one intake process accepts, with no worker beside it."""
    with stage(servers) as on:
        on.start("intake")
        return _rate(on, intents, accepted)


def end_to_end_per_second(servers: Servers, intents: int) -> float:
    """Intents a second from the inbound stream to both outbound streams, all processes together."""
    with stage(servers) as on:
        on.start("worker", "clock", "intake")
        rate = _rate(on, intents, published)
        on.all_published(2 * intents + 2)
        return rate


def _rate(on: Stage, intents: int, wait: Callable[[Stage, int], None]) -> float:
    """Intents a second. Intake is connected and warm, and stopped while the stream fills."""
    fill(on, 0, 1)
    wait(on, 1)
    intake = on.processes["intake"]
    intake.suspend()
    fill(on, 1, intents + 1)
    began = time.monotonic()
    intake.resume()
    wait(on, intents + 1)
    return intents / (time.monotonic() - began)


def fill(on: Stage, start: int, stop: int, make: Callable[[int], dict[str, str]] = intent) -> None:
    """Sends the intents of these numbers, as fast as Redis takes them, to each partition in turn.

    make: returns the intent of a number.
    """
    places = places_of(on)
    for turn, (client, stream) in enumerate(places):
        for first in range(start + turn, stop, _BATCH * len(places)):
            with client.pipeline(transaction=False) as pipe:
                for number in range(first, min(first + _BATCH * len(places), stop), len(places)):
                    pipe.xadd(stream, make(number))
                pipe.execute()


def places_of(on: Stage) -> "Sequence[Place]":
    """Where the intents stream is, or each of its partitions. The stage of an earlier commit knows one Redis alone."""
    return on.places_of(INTENTS_STREAM) if hasattr(on, "places_of") else [(on.redis, INTENTS_STREAM)]


def accepted(on: Stage, intents: int) -> None:
    """Returns once so many intents were accepted, all of them sent since the stream was made.

    An intent is acknowledged after its commit (R20). Redis counts that: PostgreSQL is not asked beside the measurement.
    """
    while _acknowledged(on) < intents:
        time.sleep(0.02)


def _acknowledged(on: Stage) -> int:
    groups = [group for client, stream in places_of(on) for group in client.xinfo_groups(stream)]
    # A group that has read nothing has no number yet.
    return sum((group["entries-read"] or 0) - group["pending"] for group in groups)


def published(on: Stage, intents: int) -> None:
    """Returns once the commands of so many intents stand on the outbound streams."""
    on.wait_for_appended(2 * intents)
