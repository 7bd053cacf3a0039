"""Parses an entry of the stream of delivery events: an event, or a rejection that says why it is none (R32)."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    PlainValidator,
    Strict,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from publisher.domain.delivery_event import OUR_SOURCES, DeliveryEvent, EventKind, Fault, Permanence
from publisher.domain.intent_fields import (
    NOT_BLANK,
    PRINTABLE,
    STRICT,
    UNPRINTABLE,
    Producer,
    Reference,
    TraceText,
    instant,
)
from publisher.domain.masking import masked
from publisher.domain.rejected_fields import named_fields, rejection_of
from publisher.domain.rejection import Rejection
from publisher.domain.strict_json import json_value

DIAGNOSTIC_LIMIT = 1_000
DETAIL_LIMIT = 16 * 1024
_ENHANCED_CODE = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)


def _given(text: object) -> object:
    return None if isinstance(text, str) and not text.strip() else text


def _enhanced_code(text: str | None) -> str | None:
    if text is not None and not _ENHANCED_CODE.fullmatch(text):
        raise PydanticCustomError("invalid_field", "must be an enhanced status code such as 5.1.1 (RFC 3463)")
    return text


def _source(text: str) -> str:
    if text in OUR_SOURCES:
        names = " and ".join(sorted(OUR_SOURCES))
        raise PydanticCustomError("invalid_field", f"must be a name of your own: {names} are kept for this service")
    return text


def _diagnostic(text: str | None) -> str | None:
    # Masked before it is cut: of half an address nobody knows that it is one.
    return None if text is None else masked(UNPRINTABLE.sub(" ", text).strip())[:DIAGNOSTIC_LIMIT]


def _detail(text: object) -> str | None:
    if text is None:
        return None
    value = json_value(text, DETAIL_LIMIT)
    if not isinstance(value, dict):
        raise PydanticCustomError("invalid_field", "must be a JSON object")
    hidden = _masked(value)
    return str(text) if hidden == value else json.dumps(hidden)


def _masked(value: object) -> object:
    """Returns the JSON value with the addresses in its texts and names masked. No deeper than `json_value` allows."""
    match value:
        case str():
            return masked(value)
        case list():
            return [_masked(item) for item in value]
        case dict():
            return {masked(name): _masked(item) for name, item in value.items()}
    return value


# An optional field that is blank counts as absent: a service may send each of its fields always.
_GIVEN = BeforeValidator(_given)
_ONE_OF = Strict(False)
# Longer than any that this service makes: a channel's name and an address stand in it.
DeliveryId = Annotated[str, StringConstraints(max_length=1024), PRINTABLE, NOT_BLANK]


class DeliveryEventFields(BaseModel):
    """The fields of a delivery event, under their names on the stream."""

    model_config = STRICT

    event_id: Reference
    delivery_id: DeliveryId
    event: Annotated[EventKind, _ONE_OF]
    occurred_at_ms: Annotated[datetime, PlainValidator(instant)]
    source: Annotated[Producer, AfterValidator(_source)]
    permanence: Annotated[Permanence | None, _ONE_OF, _GIVEN] = None
    fault: Annotated[Fault | None, _ONE_OF, _GIVEN] = None
    code: Annotated[TraceText | None, _GIVEN] = None
    enhanced_code: Annotated[str | None, AfterValidator(_enhanced_code), _GIVEN] = None
    diagnostic: Annotated[str | None, AfterValidator(_diagnostic), _GIVEN] = None
    provider_ref: Annotated[Reference | None, _GIVEN] = None
    detail_json: Annotated[str | None, PlainValidator(_detail), _GIVEN] = None

    @property
    def delivery_event(self) -> DeliveryEvent:
        """The event that they make."""
        return DeliveryEvent(
            event_id=self.event_id,
            delivery_id=self.delivery_id,
            event=self.event,
            occurred_at=self.occurred_at_ms,
            source=self.source,
            permanence=self.permanence,
            fault=self.fault,
            code=self.code,
            enhanced_code=self.enhanced_code,
            diagnostic=self.diagnostic,
            provider_ref=self.provider_ref,
            detail_json=self.detail_json,
        )


def parse_event(raw: Sequence[tuple[bytes, bytes]]) -> DeliveryEvent | Rejection:
    """Returns the delivery event of these raw field names and values, or the reason why they are none.

    Addresses in the diagnostic and in the detail are masked, and the diagnostic is cut to its limit (R36). Raises
    nothing, whatever the bytes are.
    """
    named = named_fields(raw)
    if isinstance(named, Rejection):
        return named
    try:
        return DeliveryEventFields.model_validate(named).delivery_event
    except ValidationError as error:
        return rejection_of(error, DeliveryEventFields, "a delivery event")
