"""Encodes push messages as client events for the gateway."""

from publisher.domain.channel import Channel, Command
from publisher.domain.errors import EncodingError
from publisher.domain.instants import to_milliseconds
from publisher.domain.notification import Notification, Route

_USER = "user:"


def encode(notification: Notification, route: Route) -> Command:
    """Returns the gateway's client event, the same bytes for the same route (R22).

    Raises EncodingError if the route's recipient is not a user (R23).
    """
    if not route.recipient_ref.startswith(_USER) or route.recipient_ref == _USER:
        raise EncodingError("the route's recipient is no user")
    fields = [
        ("event_id", route.delivery_id),
        ("user_id", route.recipient_ref.removeprefix(_USER)),
        ("event_type", notification.notification_type),
        ("payload_json", notification.payload),
        ("occurred_at_ms", str(to_milliseconds(notification.occurred_at))),
    ]
    if notification.request_id is not None:
        fields.append(("request_id", notification.request_id))
    if notification.trace_id is not None:
        fields.append(("trace_id", notification.trace_id))
    return Command(tuple(fields))


PUSH = Channel(
    name="push",
    stream="gateway:client_events",
    encode=encode,
    max_attempts=6,
    stream_failure="gateway_stream_publish_failed",
)
