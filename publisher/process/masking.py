"""Masks email addresses in logs (R26)."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from publisher.domain.masking import masked


def mask_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Masks the addresses in every value of an event, however deep it stands there. A processor of structlog."""
    for key, value in event.items():
        if isinstance(value, str):
            if "@" in value or "%40" in value or "address:" in value:
                event[key] = masked(value)
        elif value is not None and not isinstance(value, (int, float)):
            event[key] = _masked_value(value)
    return event


def _masked_value(value: object) -> object:
    if value is None or isinstance(value, (int, float)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked_value(item) for item in value]
    if isinstance(value, Mapping):
        return {masked(str(key)): _masked_value(item) for key, item in value.items()}
    return masked(str(value))
