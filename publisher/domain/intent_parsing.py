"""Parses an entry of the intents stream: an intent, a cancellation, or a rejection that says why (R18, R19, R28)."""

from collections.abc import Collection, Mapping, Sequence

from pydantic import ValidationError

from publisher.domain.cancellation import CANCELS, Cancellation, CancellationFields
from publisher.domain.intent import AudienceKind, Intent, intent_of
from publisher.domain.intent_fields import FIELDS_BY_AUDIENCE, IntentFields, UserFields
from publisher.domain.names import near_names
from publisher.domain.recipient import Recipient
from publisher.domain.rejected_fields import named_fields, rejection_of
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.domain.usual_intent import usual_intent


def parse_entry(raw: Sequence[tuple[bytes, bytes]], channels: Collection[str]) -> Intent | Cancellation | Rejection:
    """Returns what these raw field names and values make, or the reason why they make nothing (R19, R28).

    An entry with the field `cancels` is a cancellation, whatever else it has. Otherwise as `parse_intent`.
    """
    named = named_fields(raw)
    return named if isinstance(named, Rejection) else parse_fields(named, channels)


def parse_fields(named: Mapping[str, str], channels: Collection[str]) -> Intent | Cancellation | Rejection:
    """Returns what these fields make, as `parse_entry` does. named: their values by their names."""
    if CANCELS not in named:
        return usual_intent(named, channels) or judged_intent(named, channels)
    try:
        return CancellationFields.model_validate(named).cancellation
    except ValidationError as error:
        return rejection_of(error, CancellationFields, "a cancellation")


def parse_intent(raw: Sequence[tuple[bytes, bytes]], channels: Collection[str]) -> Intent | Rejection:
    """Returns the intent of these raw field names and values, or the reason why they are none (R19).

    channels: the names of the configured channels. Raises nothing, whatever the bytes are.
    """
    named = named_fields(raw)
    if isinstance(named, Rejection):
        return named
    return usual_intent(named, channels) or judged_intent(named, channels)


def judged_intent(named: Mapping[str, str], channels: Collection[str]) -> Intent | Rejection:
    """Returns the intent of these fields, or the reason why they are none, by the rules of every field."""
    model = FIELDS_BY_AUDIENCE.get(named.get("audience_kind", ""), UserFields)
    try:
        fields = model.model_validate(named)
    except ValidationError as error:
        return rejection_of(error, model, "an intent")
    unknown = [place for place, name in enumerate(fields.channels_json or ()) if name not in channels]
    if unknown:
        places = ", ".join(f"channels_json.{place}" for place in unknown[:5])
        near = near_names((fields.channels_json or ())[unknown[0]], channels)
        meant = f" did you mean {near[0]}?" if near else ""
        return Rejection(
            RejectionCode.UNKNOWN_CHANNEL,
            f"{places}: no such channel;{meant} there are: {', '.join(sorted(channels))}",
            "channels_json",
        )
    return _intent(fields)


def _intent(fields: IntentFields) -> Intent:
    return intent_of(
        notification_type=fields.notification_type,
        producer=fields.producer,
        audience_kind=AudienceKind(fields.audience_kind),
        recipients=tuple(Recipient(r.user_id, r.email, r.locale) for r in fields.recipients),
        channels=None if fields.channels_json is None else tuple(fields.channels_json),
        idempotency_key=fields.idempotency_key,
        occurred_at=fields.occurred_at_ms,
        payload=fields.payload_json.text,
        content=fields.payload_json.content,
        request_id=fields.request_id,
        trace_id=fields.trace_id,
        expires_at=fields.expires_at_ms,
        not_before=fields.not_before_ms,
        lane=fields.lane,
    )
