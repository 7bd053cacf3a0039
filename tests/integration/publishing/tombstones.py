"""Late appends: a worker that is paused while its route ends, and the tombstone in the place of its witness (R12)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from publisher.domain.channel import Channel, Command
from publisher.domain.errors import EncodingError
from publisher.domain.notification import Notification, Route
from publisher.streams.keys import witness_key
from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from tests.factories import CHANNELS
from tests.integration.publishers import publisher
from tests.integration.rows import change, expire_leases, one_route

EMAIL = CHANNELS["email"]
PASSED = "expires_at = now() - interval '1 millisecond'"
TTL = timedelta(seconds=30)


def with_encoder(encode: Callable[[Notification, Route], Command], **changes: Any) -> dict[str, Channel]:
    """Returns the channels, with another encoder for email."""
    return {**CHANNELS, "email": replace(EMAIL, encode=encode, **changes)}


def refuse(_notification: Notification, _route: Route) -> Command:
    """An encoder that refuses every route."""
    raise EncodingError("no such template")


def paused_while(happens: Callable[[], object]) -> dict[str, Channel]:
    """Returns the channels, with an email encoder during which this happens, as while its worker is paused."""

    def encode(notification: Notification, route: Route) -> Command:
        happens()
        return EMAIL.encode(notification, route)

    return with_encoder(encode)


def last_attempt(database: Database, ids: list[int]) -> None:
    """Leaves these routes one attempt."""
    change(database, ids, "status = 'failed', attempt_count = max_attempts - 1")


def witness_of(database: Database, route: int, stream: str = EMAIL.stream) -> str:
    """The witness key of a route."""
    row = one_route(database, route)
    return witness_key(stream, f"{row['notification_id']}/{row['route_id']}")


def die(database: Database, streams: OutboundStreams, route: int) -> None:
    """Makes the route a dead letter by another worker, which cannot encode it."""
    expire_leases(database)
    last_attempt(database, [route])
    publisher(database, streams, channels=with_encoder(refuse)).publish_due("email")
