"""Validates the fields of an intent one by one: types, lengths, and characters that no field may hold (R19)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    PlainValidator,
    Strict,
    StringConstraints,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from publisher.domain.instants import from_milliseconds
from publisher.domain.lanes import Lane
from publisher.domain.strict_json import json_value

PAYLOAD_LIMIT = 256 * 1024
# Generous: a thousand recipients with fields of full length fit several times, and so do hundreds of channels.
RECIPIENTS_LIMIT = 4 * 1024 * 1024
CHANNELS_LIMIT = 32 * 1024
R = TypeVar("R")

# Control characters (C0, DEL, C1 with NEL); the separators of lines and paragraphs, which log readers take for the end
# of a line; and lone halves of surrogate pairs, which cannot be written as UTF-8.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MILLISECONDS = re.compile(r"[0-9]{1,14}", re.ASCII)


def _printable(text: str) -> str:
    if UNPRINTABLE.search(text):
        raise PydanticCustomError("control_character", "must not hold control characters or line separators")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("invalid_field", "must not be blank")
    return text


def _recipients(text: object) -> object:
    return json_value(text, RECIPIENTS_LIMIT)


def _channel_names(text: object) -> object:
    return json_value(text, CHANNELS_LIMIT)


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload.

    text: the JSON text as the producer sent it.
    content: its value.
    """

    text: str
    content: object


def _payload(text: object) -> Payload:
    value = json_value(text, PAYLOAD_LIMIT)
    if not isinstance(value, dict):
        raise PydanticCustomError("invalid_field", "must be a JSON object")
    return Payload(str(text), value)


def instant(text: object) -> datetime:
    """Returns the instant of a field that holds Unix milliseconds. Refuses everything else."""
    if not isinstance(text, str) or not _MILLISECONDS.fullmatch(text):
        raise PydanticCustomError("invalid_field", "must be Unix milliseconds, digits alone")
    return from_milliseconds(int(text))


# The length comes first: pydantic then checks it on the string itself, and reports it with its own error type.
PRINTABLE = AfterValidator(_printable)
NOT_BLANK = AfterValidator(_not_blank)
Producer = Annotated[str, StringConstraints(max_length=64), PRINTABLE, NOT_BLANK]
Reference = Annotated[str, StringConstraints(max_length=256), PRINTABLE, NOT_BLANK]
Address = Annotated[str, StringConstraints(max_length=512), PRINTABLE]
Locale = Annotated[str, StringConstraints(max_length=64), PRINTABLE]
TraceText = Annotated[str, StringConstraints(max_length=128), PRINTABLE]
ChannelName = Annotated[str, StringConstraints(max_length=64), PRINTABLE]

# FailFast ends validation at the first bad element: a list of a million bad ones would make gigabytes of errors.
_RECIPIENTS = (FailFast(), Field(min_length=1, max_length=1000), BeforeValidator(_recipients))

# Validators are built with the first intent that needs them: a command that reads none starts the sooner.
STRICT = ConfigDict(defer_build=True, extra="forbid", strict=True, frozen=True)


class UserRecipient(BaseModel):
    """A recipient of audience kind `user`. A blank email address counts as none."""

    model_config = STRICT

    user_id: Reference
    email: Annotated[Address | None, AfterValidator(lambda email: email if email and email.strip() else None)] = None
    locale: Locale | None = None


class AddressRecipient(BaseModel):
    """A recipient of audience kind `admin_email`."""

    model_config = STRICT

    email: Annotated[Address, NOT_BLANK]
    locale: Locale | None = None

    @property
    def user_id(self) -> None:
        """None: this recipient is an address, not a user."""
        return


def _distinct_users(recipients: list[UserRecipient]) -> list[UserRecipient]:
    return _distinct(recipients, [recipient.user_id for recipient in recipients])


def _distinct_addresses(recipients: list[AddressRecipient]) -> list[AddressRecipient]:
    return _distinct(recipients, [recipient.email for recipient in recipients])


def _distinct(recipients: list[R], references: list[str]) -> list[R]:
    if len(set(references)) < len(references):
        raise PydanticCustomError("duplicate_recipient", "names a recipient twice")
    return recipients


def _distinct_channels(names: list[str] | None) -> list[str]:
    if not names or len(set(names)) < len(names):
        raise PydanticCustomError("invalid_field", "must name at least one channel, and none twice")
    return names


def _before_deadline(not_before: datetime | None, info: ValidationInfo) -> datetime | None:
    # Fields are validated in their order. Of a deadline that is none itself nothing more is said.
    deadline = info.data.get("expires_at_ms")
    if not_before is not None and deadline is not None and not_before >= deadline:
        raise PydanticCustomError("invalid_field", "must lie before expires_at_ms")
    return not_before


class IntentFields(BaseModel):
    """The fields that both audience kinds have, under their names on the stream."""

    model_config = STRICT

    notification_type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,128}\z")]
    producer: Producer
    audience_kind: Literal["user", "admin_email"]
    channels_json: Annotated[
        list[ChannelName] | None, BeforeValidator(_channel_names), AfterValidator(_distinct_channels)
    ] = None
    idempotency_key: Reference
    occurred_at_ms: Annotated[datetime, PlainValidator(instant)]
    payload_json: Annotated[Payload, PlainValidator(_payload)]
    expires_at_ms: Annotated[datetime | None, PlainValidator(instant)] = None
    not_before_ms: Annotated[datetime | None, PlainValidator(instant), AfterValidator(_before_deadline)] = None
    lane: Annotated[Lane, Strict(False)] = Lane.NORMAL
    request_id: TraceText | None = None
    trace_id: TraceText | None = None

    @property
    def recipients(self) -> Sequence[UserRecipient | AddressRecipient]:
        """At least one recipient, and none twice."""
        raise NotImplementedError


class UserFields(IntentFields):
    """An intent for users."""

    recipients_json: Annotated[list[UserRecipient], *_RECIPIENTS, AfterValidator(_distinct_users)]

    @property
    def recipients(self) -> Sequence[UserRecipient]:
        """At least one recipient, and no user id twice."""
        return self.recipients_json


class AddressFields(IntentFields):
    """An intent for addresses."""

    recipients_json: Annotated[list[AddressRecipient], *_RECIPIENTS, AfterValidator(_distinct_addresses)]

    @property
    def recipients(self) -> Sequence[AddressRecipient]:
        """At least one recipient, and no address twice."""
        return self.recipients_json


FIELDS_BY_AUDIENCE: Mapping[str, type[IntentFields]] = {"user": UserFields, "admin_email": AddressFields}
