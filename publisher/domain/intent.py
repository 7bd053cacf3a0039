"""The inbound contract: what an entry of the intents stream must say, and the intent it means.

`parse_intent` turns raw fields into an `Intent`, or into a `Malformed` that says why not. `plan_routes` says
which routes an intent asks for.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import ValidationError

from publisher.domain.channel import Channel
from publisher.domain.intent_fields import FIELDS_BY_AUDIENCE, IntentFields, UserFields
from publisher.domain.notification import RouteStatus, notification_id_of


class AudienceKind(StrEnum):
    """Whom an intent addresses."""

    USER = "user"
    ADMIN_EMAIL = "admin_email"


class MalformedCode(StrEnum):
    """Why an entry of the intents stream was not accepted (R18, R19)."""

    MISSING_FIELD = "missing_field"
    UNKNOWN_FIELD = "unknown_field"
    DUPLICATE_FIELD = "duplicate_field"
    INVALID_FIELD = "invalid_field"
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    CONTROL_CHARACTER = "control_character"
    TOO_LARGE = "too_large"
    DUPLICATE_RECIPIENT = "duplicate_recipient"
    UNKNOWN_CHANNEL = "unknown_channel"
    CHANNEL_FAILED = "channel_failed"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    POISON = "poison"
    STORAGE_REFUSED = "storage_refused"


@dataclass(frozen=True, slots=True)
class Malformed:
    """An entry that is no intent, and why. The message names the fields at fault and holds none of their values.

    field: the first field at fault, for whoever knows where it stands; None if it is no single one.
    """

    code: MalformedCode
    message: str
    field: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom to reach: a user by id, with or without an email address, or an address alone."""

    user_id: str | None
    email: str | None
    locale: str | None

    @property
    def ref(self) -> str:
        """`user:<id>` or `address:<email>`, unique among an intent's recipients (R1)."""
        return f"address:{self.email}" if self.user_id is None else f"user:{self.user_id}"


@dataclass(frozen=True, slots=True)
class Intent:
    """A valid intent. channels is None where the producer left the choice to the service.

    payload is the JSON object's text as it came; fingerprint tells this content from any other under the
    same key (R18). expires_at: nothing of it is published from then on; None: it is never too late.
    """

    notification_type: str
    producer: str
    audience_kind: AudienceKind
    recipients: tuple[Recipient, ...]
    channels: tuple[str, ...] | None
    idempotency_key: str
    occurred_at: datetime
    payload: str
    request_id: str | None
    trace_id: str | None
    fingerprint: str
    expires_at: datetime | None = None

    @property
    def notification_id(self) -> str:
        """Derived from producer and idempotency key alone (R1)."""
        return notification_id_of(self.producer, self.idempotency_key)


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """A route to create: pending and due at once, or skipped for want of an address (R3)."""

    route_id: str
    channel: str
    status: RouteStatus
    max_attempts: int
    recipient_ref: str
    resolved_email: str | None
    resolved_locale: str | None


def parse_intent(raw: Sequence[tuple[bytes, bytes]], channels: Collection[str]) -> Intent | Malformed:
    """The intent that these raw field names and values mean, or why they mean none (R19).

    channels: the names of the configured channels. Never raises, whatever the bytes are.
    """
    try:
        texts = [(name.decode(), value.decode()) for name, value in raw]
    except UnicodeDecodeError as error:
        return Malformed(MalformedCode.INVALID_UTF8, f"a field's name or value is not UTF-8: {error.reason}")
    named = dict(texts)
    if len(named) < len(texts):
        return Malformed(MalformedCode.DUPLICATE_FIELD, "a field is given more than once")
    model = FIELDS_BY_AUDIENCE.get(named.get("audience_kind", ""), UserFields)
    try:
        fields = model.model_validate(named)
    except ValidationError as error:
        return _malformed(error)
    unknown = [place for place, name in enumerate(fields.channels_json or ()) if name not in channels]
    if unknown:
        places = ", ".join(f"channels_json.{place}" for place in unknown[:5])
        return Malformed(
            MalformedCode.UNKNOWN_CHANNEL,
            f"{places}: no such channel; there are: {', '.join(sorted(channels))}",
            "channels_json",
        )
    return _intent(fields)


def plan_routes(intent: Intent, channels: Mapping[str, Channel]) -> list[PlannedRoute] | Malformed:
    """The routes of an intent: one per recipient and channel, in a fixed order.

    An intent that names no channels means every configured one for users, email alone for addresses. Malformed if a
    channel's `reaches` raised: a third party's bug rejects the entry that it cannot judge, and nothing else (R21).
    """
    if intent.channels is not None:
        names = intent.channels
    elif intent.audience_kind is AudienceKind.ADMIN_EMAIL:
        names = ("email",)
    else:
        names = tuple(channels)
    routes = []
    for name in names:
        channel = channels[name]
        for place, recipient in enumerate(intent.recipients):
            try:
                is_reached = bool(channel.reaches(recipient))
            except Exception as error:  # noqa: BLE001  (a third party's bug is this entry's rejection)
                # The error's own text may hold the recipient's values.
                return Malformed(
                    MalformedCode.CHANNEL_FAILED,
                    f"recipients_json.{place}: channel {name} could not tell whether it reaches this recipient:"
                    f" its code raised {type(error).__name__}",
                    "recipients_json",
                )
            routes.append(_planned(channel, recipient, is_reached))
    return routes


def _planned(channel: Channel, recipient: Recipient, is_reached: bool) -> PlannedRoute:
    return PlannedRoute(
        route_id=f"{channel.name}:{recipient.ref}",
        channel=channel.name,
        status=RouteStatus.PENDING if is_reached else RouteStatus.SKIPPED,
        max_attempts=channel.max_attempts,
        recipient_ref=recipient.ref,
        resolved_email=recipient.email,
        resolved_locale=recipient.locale,
    )


def _intent(fields: IntentFields) -> Intent:
    recipients = tuple(Recipient(r.user_id, r.email, r.locale) for r in fields.recipients)
    channels = None if fields.channels_json is None else tuple(fields.channels_json)
    # R18: normalised, so that order and white space make no difference. request_id and trace_id tell one
    # sending from another, not one content from another. Channels left out stay left out: a channel that is
    # configured later must not turn a producer's repetition into a conflict.
    content = json.dumps(
        [
            fields.notification_type,
            fields.producer,
            fields.audience_kind,
            sorted([r.user_id or "", r.email or "", r.locale or ""] for r in recipients),
            None if channels is None else sorted(channels),
            fields.idempotency_key,
            fields.occurred_at_ms.isoformat(),
            fields.payload_json.canonical,
            # Only where there is one: an intent without has the fingerprint that it always had.
            *([] if fields.expires_at_ms is None else [fields.expires_at_ms.isoformat()]),
        ],
        separators=(",", ":"),
    )
    return Intent(
        notification_type=fields.notification_type,
        producer=fields.producer,
        audience_kind=AudienceKind(fields.audience_kind),
        recipients=recipients,
        channels=channels,
        idempotency_key=fields.idempotency_key,
        occurred_at=fields.occurred_at_ms,
        payload=fields.payload_json.text,
        request_id=fields.request_id or None,
        trace_id=fields.trace_id or None,
        fingerprint=hashlib.sha256(content.encode()).hexdigest(),
        expires_at=fields.expires_at_ms,
    )


_CODES = {
    "missing": MalformedCode.MISSING_FIELD,
    "extra_forbidden": MalformedCode.UNKNOWN_FIELD,
    "string_too_long": MalformedCode.TOO_LARGE,
    "too_long": MalformedCode.TOO_LARGE,
} | {str(code): code for code in MalformedCode}


def _malformed(error: ValidationError) -> Malformed:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    code = _CODES.get(problems[0]["type"], MalformedCode.INVALID_FIELD)
    lines = [f"{_place(problem['loc'])}: {problem['msg']}" for problem in problems[:5]]
    if len(problems) > 5:
        lines.append(f"and {len(problems) - 5} more")
    location = problems[0]["loc"]
    return Malformed(code, "; ".join(lines), str(location[0]) if location else None)


def _place(location: tuple[int | str, ...]) -> str:
    # An unknown field's name is the producer's own text, of any length and any characters. A long one is not cut: the
    # half of an address would be masked in no log.
    text = ".".join(part if len(part) <= 100 else f"(a name of {len(part)} characters)" for part in map(str, location))
    return "".join(c if c.isprintable() else "?" for c in text)
