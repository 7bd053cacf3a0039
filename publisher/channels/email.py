"""Encodes emails as delivery commands for the Mail Service."""

from datetime import timedelta
from json.encoder import encode_basestring_ascii as quoted

from publisher.domain.channel import Channel, Command
from publisher.domain.errors import EncodingError
from publisher.domain.instants import to_milliseconds
from publisher.domain.notification import Notification, Route
from publisher.domain.recipient import Recipient


def encode(notification: Notification, route: Route) -> Command:
    """Returns the Mail Service's delivery command, the same bytes for the same route (R22).

    The payload's text is taken over byte for byte: no number and no key of it is rewritten.
    Raises EncodingError for an address that cannot receive mail (R23).
    """
    address = _checked(route.resolved_email)
    locale = route.resolved_locale or "en"
    payload = (
        f'{{"to":[{quoted(address)}],"cc":[],"bcc":[],"reply_to":[],'
        f'"template_id":{quoted(notification.notification_type)},"locale":{quoted(locale)},'
        f'"variables":{notification.payload},"attachments":[]}}'
    )
    delivery_id = route.delivery_id
    fields = [
        ("delivery_id", delivery_id),
        ("source", "notification"),
        ("payload_mode", "template"),
        ("idempotency_key", f"notification:{delivery_id}"),
        ("requested_at_ms", str(to_milliseconds(notification.accepted_at))),
        ("payload_json", payload),
    ]
    if notification.request_id is not None:
        fields.append(("request_id", notification.request_id))
    if notification.trace_id is not None:
        fields.append(("trace_id", notification.trace_id))
    return Command(tuple(fields))


def _checked(address: str | None) -> str:
    if not address:
        raise EncodingError("the route has no email address")
    if "\r" in address or "\n" in address:
        raise EncodingError("the email address holds a line break")
    local, _, domain = address.partition("@")
    if address.count("@") != 1 or not local.strip() or not domain.strip():
        raise EncodingError("the email address must have exactly one @, and text on both sides of it")
    return address


def has_email(recipient: Recipient) -> bool:
    """True if the recipient has an address, of whatever form: a bad address fails in `encode` (R19, R23)."""
    return recipient.email is not None


EMAIL = Channel(
    name="email",
    stream="mail:delivery_commands",
    encode=encode,
    reaches=has_email,
    max_attempts=16,
    stream_failure="mail_stream_publish_failed",
    answer_within=timedelta(days=3),
)
