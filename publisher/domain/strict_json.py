"""Reads JSON that every reader reads alike: no member twice, no number out of range, no depth without end (R19)."""

import json
import math
from typing import NoReturn

from pydantic_core import PydanticCustomError

DEPTH_LIMIT = 64


def refuse_constant(name: str) -> NoReturn:
    """Refuses NaN and the infinities, which JSON does not know."""
    raise ValueError(f"{name} is no JSON number")


def finite(text: str) -> float:
    """Returns the number. Raises ValueError if it is too large for a float."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Returns the members of an object. Raises ValueError if one is named twice."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object names a member twice")
    return members


def depth(value: object) -> int:
    """Returns how many levels the JSON value has; a scalar has one."""
    levels, level = 0, [value]
    while level:
        levels += 1
        level = [
            child
            for container in level
            if isinstance(container, (dict, list))
            for child in (container.values() if isinstance(container, dict) else container)
        ]
    return levels


def json_value(text: object, limit: int) -> object:
    """Returns the value of a field that is JSON text. Refuses one of more bytes, or nested deeper than DEPTH_LIMIT."""
    if not isinstance(text, str):
        raise PydanticCustomError("invalid_json", "must be JSON text")
    if len(text.encode(errors="surrogatepass")) > limit:
        raise PydanticCustomError("too_large", "must be at most {limit} bytes", {"limit": limit})
    try:
        value = json.loads(text, object_pairs_hook=unique_keys, parse_float=finite, parse_constant=refuse_constant)
    except RecursionError:
        raise PydanticCustomError("invalid_json", "is nested too deeply") from None
    except ValueError as error:
        # JSONDecodeError.msg says where the fault is and quotes nothing of the document.
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise PydanticCustomError("invalid_json", "is not valid JSON: {reason}", {"reason": reason}) from None
    if depth(value) > DEPTH_LIMIT:
        raise PydanticCustomError("invalid_json", "is nested too deeply")
    return value
