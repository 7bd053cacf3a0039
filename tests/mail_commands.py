"""Commands to send mail, as they stand on the stream of the channel email, each of a route that PostgreSQL knows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import redis

from publisher.channels.email import EMAIL
from publisher.domain.notification import Notification, Route, RouteStatus
from publisher.streams.outbound import Delivery, OutboundStreams
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from tests.factories import accepted

TEMPLATE = "demo.turn.ready"
PAYLOAD = {"name": "Ann", "opponent": "Bob", "game": "chess", "turn": 17, "url": "https://example.com/games/17"}


def append_commands(
    database: Database, client: redis.Redis, count: int = 1, *, replay: int = 0, first: int = 0, **fields: Any
) -> Sequence[str]:
    """Appends a command for each of so many users, u0@example.com and on. Returns the delivery ids.

    replay: how often an operator had them published again. first: the number of the first user.
    fields: of the intents, in the place of the usual ones.
    """
    intents = [
        {
            "notification_type": TEMPLATE,
            "idempotency_key": f"mail-{n}",
            "recipients_json": [{"user_id": str(n), "email": f"u{n}@example.com"}],
            "channels_json": ["email"],
            "payload_json": PAYLOAD,
            **fields,
        }
        for n in range(first, first + count)
    ]
    acceptance = accepted(database, intents)
    deliveries = []
    for incoming in [*acceptance.accepted, *acceptance.duplicates]:
        intent, planned = incoming.intent, incoming.routes[0]
        notification = Notification(
            notification_id=intent.notification_id,
            notification_type=intent.notification_type,
            producer=intent.producer,
            audience_kind=intent.audience_kind,
            idempotency_key=intent.idempotency_key,
            payload=intent.payload,
            request_id=intent.request_id,
            trace_id=intent.trace_id,
            occurred_at=intent.occurred_at,
            accepted_at=intent.occurred_at,
        )
        route = Route(
            id=1,
            notification_id=intent.notification_id,
            route_id=planned.route_id,
            channel=EMAIL.name,
            status=RouteStatus.PENDING,
            attempt_count=0,
            max_attempts=1,
            recipient_ref=planned.recipient_ref,
            resolved_email=planned.resolved_email,
            resolved_locale=planned.resolved_locale,
            lease_loss_count=0,
        )
        deliveries.append(Delivery(route.delivery_id, EMAIL.command(notification, route), replay))
    OutboundStreams(StreamServers(client), timedelta(hours=1)).append(EMAIL, deliveries)
    return [delivery.delivery_id for delivery in deliveries]
