"""An intent: whom a producer wants to be told what, and by when (R1, R18)."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import orjson

from publisher.domain.lanes import Lane
from publisher.domain.notification import notification_id_of
from publisher.domain.recipient import Recipient

# Made once: making one takes as long as writing a payload.
_compact = json.JSONEncoder(separators=(",", ":")).encode
_canonical = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


class AudienceKind(StrEnum):
    """Whom an intent addresses."""

    USER = "user"
    ADMIN_EMAIL = "admin_email"


@dataclass(frozen=True, slots=True)
class Intent:
    """A valid intent.

    notification_id: the id that producer and idempotency key alone determine (R1).
    channels: the channels to publish on; None leaves the choice to the service.
    payload: the JSON object's text, byte for byte as the producer sent it.
    request_id, trace_id: None if the producer gave none.
    fingerprint: the same for the same content, so that other content under one key is recognised (R18).
    expires_at: the deadline, from which on no route of it is published; None: there is none.
    not_before: when the first attempt is made at the earliest; None: at once.
    lane: how urgent its routes are.
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
    not_before: datetime | None = None
    lane: Lane = Lane.NORMAL
    notification_id: str = field(init=False)

    def __post_init__(self) -> None:
        """Derives the id, once for all who ask for it."""
        object.__setattr__(self, "notification_id", notification_id_of(self.producer, self.idempotency_key))


def intent_of(
    *,
    notification_type: str,
    producer: str,
    audience_kind: AudienceKind,
    recipients: tuple[Recipient, ...],
    channels: tuple[str, ...] | None,
    idempotency_key: str,
    occurred_at: datetime,
    payload: str,
    content: object,
    request_id: str | None,
    trace_id: str | None,
    expires_at: datetime | None,
    not_before: datetime | None = None,
    lane: Lane = Lane.NORMAL,
) -> Intent:
    """Returns the intent of these valid fields, with its fingerprint. Blank request and trace ids count as none.

    content: the JSON value of the payload.
    """
    # R18: normalised, so that order and white space make no difference. request_id and trace_id distinguish two
    # sendings, not two contents, and are left out. Channels that the producer left out stay left out: a channel that is
    # installed later must not turn a producer's repetition into a conflict.
    normalised: list[object] = [
        notification_type,
        producer,
        audience_kind,
        sorted([r.user_id or "", r.email or "", r.locale or ""] for r in recipients),
        None if channels is None else sorted(channels),
        idempotency_key,
        occurred_at.isoformat(),
        _canonical(content),
    ]
    # Only if there is one: an intent without it keeps the fingerprint that earlier releases gave it.
    if expires_at is not None:
        normalised.append(expires_at.isoformat())
    if not_before is not None:
        normalised.append(["not before", not_before.isoformat()])
    if lane is not Lane.NORMAL:
        normalised.append(["lane", lane])
    return Intent(
        notification_type=notification_type,
        producer=producer,
        audience_kind=audience_kind,
        recipients=recipients,
        channels=channels,
        idempotency_key=idempotency_key,
        occurred_at=occurred_at,
        payload=payload,
        request_id=request_id or None,
        trace_id=trace_id or None,
        fingerprint=hashlib.sha256(_written(normalised)).hexdigest(),
        expires_at=expires_at,
        not_before=not_before,
        lane=lane,
    )


def _written(normalised: list[object]) -> bytes:
    """Returns the JSON that `_compact` writes: a fingerprint stays what it was. orjson takes a tenth of the time.

    The two differ in what is no printable ASCII, which orjson leaves as it is.
    """
    try:
        written = orjson.dumps(normalised)
    except TypeError:
        return _compact(normalised).encode()
    return written if written.isascii() and b"\x7f" not in written else _compact(normalised).encode()
