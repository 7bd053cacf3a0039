"""Masks email addresses in logs: each is shortened to its first letter and its domain (R26)."""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

_WORD = r"\s@:<>\"(),;\[\]"
# What is masked, in this order: a text that a line must hold for the pattern to be tried, the pattern, what stays.
_PATTERNS = (
    # An address reference is a producer's text of any form: all up to the line's last @ is masked. "to address: reason"
    # is libpq's, when it cannot find its server.
    (
        "address:",
        re.compile(r"((?:(?<=:)address:|\baddress:(?=\S))\"?)([^\s@]?)(?:.*(?=@)|[^@\n]*$)", re.MULTILINE),
        r"\1\2***",
    ),
    # A quoted local part holds anything (RFC 5321): all from the line's first quotation mark on is masked.
    ('"@', re.compile(r"^([^\"\n]*\"[^\"\n]?).*\"@(?=[^\s@])", re.MULTILINE), r"\1***@"),
    # Any other address. Quotation marks and the like may be part of it or stand around it: they stay. Each repetition
    # is possessive and begins where a word does, so that a long text is read once.
    ("@", re.compile(rf"(?<![^{_WORD}])([/'={{}}]*+(?!\*{{3}}@)[^{_WORD}])[^{_WORD}]*+@(?=[^\s@])"), r"\1***@"),
)


def masked(text: str) -> str:
    """Returns the text with every email address shortened to its first letter and its domain (R26)."""
    for held, pattern, stays in _PATTERNS:
        if held in text:
            text = pattern.sub(stays, text)
    return text


def mask_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Masks the addresses in every value of an event, however deep it stands there. A processor of structlog."""
    for key, value in event.items():
        if isinstance(value, str):
            if "@" in value or "address:" in value:
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
