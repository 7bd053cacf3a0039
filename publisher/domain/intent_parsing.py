"""Parses an entry of the intents stream: an intent, a cancellation, or a rejection that says why (R18, R19, R28)."""

from collections.abc import Collection, Mapping, Sequence
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from publisher.domain.cancellation import CANCELS, Cancellation, CancellationFields
from publisher.domain.intent import AudienceKind, Intent, intent_of
from publisher.domain.intent_fields import FIELDS_BY_AUDIENCE, IntentFields, UserFields
from publisher.domain.names import near_names
from publisher.domain.recipient import Recipient
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.domain.usual_intent import usual_intent


def parse_entry(raw: Sequence[tuple[bytes, bytes]], channels: Collection[str]) -> Intent | Cancellation | Rejection:
    """Returns what these raw field names and values make, or the reason why they make nothing (R19, R28).

    An entry with the field `cancels` is a cancellation, whatever else it has. Otherwise as `parse_intent`.
    """
    named = _named(raw)
    if isinstance(named, Rejection):
        return named
    if CANCELS not in named:
        return usual_intent(named, channels) or judged_intent(named, channels)
    try:
        return CancellationFields.model_validate(named).cancellation
    except ValidationError as error:
        return _malformed(error, CancellationFields)


def parse_intent(raw: Sequence[tuple[bytes, bytes]], channels: Collection[str]) -> Intent | Rejection:
    """Returns the intent of these raw field names and values, or the reason why they are none (R19).

    channels: the names of the configured channels. Raises nothing, whatever the bytes are.
    """
    named = _named(raw)
    if isinstance(named, Rejection):
        return named
    return usual_intent(named, channels) or judged_intent(named, channels)


def judged_intent(named: Mapping[str, str], channels: Collection[str]) -> Intent | Rejection:
    """Returns the intent of these fields, or the reason why they are none, by the rules of every field."""
    model = FIELDS_BY_AUDIENCE.get(named.get("audience_kind", ""), UserFields)
    try:
        fields = model.model_validate(named)
    except ValidationError as error:
        return _malformed(error, model)
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


def _named(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str] | Rejection:
    """Returns the values by the names of their fields, as text."""
    try:
        texts = [(name.decode(), value.decode()) for name, value in raw]
    except UnicodeDecodeError as error:
        return Rejection(RejectionCode.INVALID_UTF8, f"a field's name or value is not UTF-8: {error.reason}")
    named = dict(texts)
    if len(named) < len(texts):
        return Rejection(RejectionCode.DUPLICATE_FIELD, "a field is given more than once")
    return named


_CODES = {
    "missing": RejectionCode.MISSING_FIELD,
    "extra_forbidden": RejectionCode.UNKNOWN_FIELD,
    "string_too_long": RejectionCode.TOO_LARGE,
    "too_long": RejectionCode.TOO_LARGE,
} | {str(code): code for code in RejectionCode}


# What a producer is told of each kind of fault that pydantic finds. Faults that our own validators find have our words.
_WORDS = {
    "missing": "is missing",
    "string_pattern_mismatch": "may hold only a-z 0-9 . _ -, at least one and at most 128 characters",
    "string_too_long": "must be at most {max_length} characters",
    "string_type": "must be text",
    "string_unicode": "holds half of a surrogate pair, which is no character",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "list_type": "must be a JSON array",
    "model_type": "must be a JSON object",
    "too_short": "must name at least one recipient",
    "too_long": "must name at most {max_length} recipients",
}


def _malformed(error: ValidationError, model: type[BaseModel]) -> Rejection:
    problems = error.errors(include_url=False, include_input=False)
    code = _CODES.get(problems[0]["type"], RejectionCode.INVALID_FIELD)
    lines = [f"{_place(problem['loc'])}: {_worded(problem, model)}" for problem in problems[:5]]
    if len(problems) > 5:
        lines.append(f"and {len(problems) - 5} more")
    location = problems[0]["loc"]
    return Rejection(code, "; ".join(lines), str(location[0]) if location else None)


def _worded(problem: ErrorDetails, model: type[BaseModel]) -> str:
    if problem["type"] == "extra_forbidden":
        return _no_field(problem["loc"], model)
    words = _WORDS.get(problem["type"])
    return problem["msg"] if words is None else words.format_map(problem.get("ctx", {}))


def _no_field(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """Says which field was meant, of those that there are: the producer's own word is in the place alone."""
    owner = "a cancellation" if model is CancellationFields else "an intent"
    known = list(model.model_fields)
    if len(location) > 1:
        (recipient,) = get_args(model.model_fields["recipients_json"].annotation)
        owner, known = "a recipient", list(recipient.model_fields)
    near = near_names(str(location[-1]), known)
    return f"is no field of {owner}" + (f"; did you mean {near[0]}?" if near else "")


def _place(location: tuple[int | str, ...]) -> str:
    # The name of an unknown field is the producer's text, of any length and any characters. A long name is replaced and
    # not cut: the logs would not mask half an address.
    text = ".".join(part if len(part) <= 100 else f"(a name of {len(part)} characters)" for part in map(str, location))
    return "".join(c if c.isprintable() else "?" for c in text)
