"""Parses an intent of the usual shape, several times as fast as `publisher.domain.intent_fields` (R19).

It accepts nothing that those rules refuse, and makes the same intent of what it accepts. It judges nothing: whatever is
not plainly valid is left to them, and so is what is rare.
"""

import json
import re
from collections.abc import Collection, Mapping
from datetime import datetime

from publisher.domain.instants import from_milliseconds
from publisher.domain.intent import AudienceKind, Intent, intent_of
from publisher.domain.intent_fields import CHANNELS_LIMIT, PAYLOAD_LIMIT, RECIPIENTS_LIMIT
from publisher.domain.lanes import Lane
from publisher.domain.recipient import Recipient
from publisher.domain.strict_json import DEPTH_LIMIT, depth, finite, refuse_constant, unique_keys

_REQUIRED = {"notification_type", "producer", "recipients_json", "idempotency_key", "occurred_at_ms", "payload_json"}
_OPTIONAL = {"channels_json", "expires_at_ms", "not_before_ms", "lane", "request_id", "trace_id"}
_NAMES = {*_REQUIRED, *_OPTIONAL, "audience_kind"}
_LANES = {lane.value: lane for lane in Lane}
_RECIPIENT_NAMES = {"user_id", "email", "locale"}
_TYPE = re.compile(r"[a-z0-9._-]{1,128}")
# A text of so many characters is within a limit of four times as many bytes.
_LONGEST_PAYLOAD, _LONGEST_RECIPIENTS = PAYLOAD_LIMIT // 4, RECIPIENTS_LIMIT // 4
_LONGEST_CHANNELS = CHANNELS_LIMIT // 4

# Made once: making one takes as long as reading a payload.
_decode = json.JSONDecoder(object_pairs_hook=unique_keys, parse_float=finite, parse_constant=refuse_constant).raw_decode


class _Unusual(Exception):
    """The intent is not of the usual shape."""


def usual_intent(fields: Mapping[str, str], channels: Collection[str]) -> Intent | None:
    """Returns the intent of these fields, or None if they are not plainly a valid intent for users.

    channels: the names of the configured channels.
    """
    if fields.get("audience_kind") != "user" or not _NAMES.issuperset(fields) or not fields.keys() >= _REQUIRED:
        return None
    try:
        return _intent(fields, channels)
    except (_Unusual, ValueError, RecursionError):
        return None


def _intent(fields: Mapping[str, str], channels: Collection[str]) -> Intent:
    if not _TYPE.fullmatch(fields["notification_type"]):
        raise _Unusual
    payload = fields["payload_json"]
    content = _json(payload, _LONGEST_PAYLOAD)
    if not isinstance(content, dict) or (_brackets(payload) >= DEPTH_LIMIT and depth(content) > DEPTH_LIMIT):
        raise _Unusual
    named = fields.get("channels_json")
    deadline = None if (text := fields.get("expires_at_ms")) is None else _instant(text)
    not_before = None if (text := fields.get("not_before_ms")) is None else _instant(text)
    if not_before is not None and deadline is not None and not_before >= deadline:
        raise _Unusual
    lane = _LANES.get(fields.get("lane", "normal"))
    if lane is None:
        raise _Unusual
    return intent_of(
        notification_type=fields["notification_type"],
        producer=_reference(fields["producer"], 64),
        audience_kind=AudienceKind.USER,
        recipients=_recipients(fields["recipients_json"]),
        channels=None if named is None else _channels(named, channels),
        idempotency_key=_reference(fields["idempotency_key"], 256),
        occurred_at=_instant(fields["occurred_at_ms"]),
        payload=payload,
        content=content,
        request_id=_text(fields.get("request_id", ""), 128),
        trace_id=_text(fields.get("trace_id", ""), 128),
        expires_at=deadline,
        not_before=not_before,
        lane=lane,
    )


def _recipients(text: str) -> tuple[Recipient, ...]:
    given = _json(text, _LONGEST_RECIPIENTS)
    if not isinstance(given, list) or not 1 <= len(given) <= 1000:
        raise _Unusual
    recipients = tuple([_recipient(each) for each in given])
    if len(recipients) > 1 and len({recipient.user_id for recipient in recipients}) < len(recipients):
        raise _Unusual
    return recipients


def _recipient(given: object) -> Recipient:
    if not isinstance(given, dict) or not _RECIPIENT_NAMES.issuperset(given):
        raise _Unusual
    email, locale = given.get("email"), given.get("locale")
    if email is not None:
        email = email if _text(email, 512).strip() else None
    if locale is not None:
        _text(locale, 64)
    return Recipient(_reference(given.get("user_id"), 256), email, locale)


def _channels(text: str, channels: Collection[str]) -> tuple[str, ...]:
    names = _json(text, _LONGEST_CHANNELS)
    if not isinstance(names, list) or not names:
        raise _Unusual
    found = tuple([_text(name, 64) for name in names])
    if len(set(found)) < len(found) or any(name not in channels for name in found):
        raise _Unusual
    return found


def _reference(text: object, limit: int) -> str:
    found = _text(text, limit)
    if not found or found.isspace():
        raise _Unusual
    return found


def _text(text: object, limit: int) -> str:
    # Of what is printable to Python, a field may hold all; it refuses some that a field may hold.
    if not isinstance(text, str) or len(text) > limit or not text.isprintable():
        raise _Unusual
    return text


def _instant(text: str) -> datetime:
    if len(text) > 14 or not text.isascii() or not text.isdigit():
        raise _Unusual
    return from_milliseconds(int(text))


def _json(text: str, longest: int) -> object:
    if len(text) > longest:
        raise _Unusual
    value, end = _decode(text)
    if end != len(text):
        raise _Unusual
    return value


def _brackets(text: str) -> int:
    """How many objects and lists the text can hold at most: fewer than the limit are not nested too deeply."""
    return text.count("{") + text.count("[")
