"""A malformed intent as an operator edits it, and what was edited as fields again.

The form is a JSON object. Its keys are the stream's fields; `*_json` fields stand as JSON where they are JSON, else
as text. A value that cannot be sent (bytes that are no text, a field given several times, the beginning of a huge
value) stands under a marked name, `producer (bytes)`, with what can be read of it: it is to be written as text under
its own name. Lines at the top that begin with # are for the reader.
"""

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NoReturn

from publisher.domain.intent_fields import UserFields
from publisher.domain.malformed import RawFields, text_of

_ORDER = {name: place for place, name in enumerate([*UserFields.model_fields])}
_MARKED = re.compile(r".* \((bytes|given \d+ times|cut)\)", re.DOTALL)


def edit_form(raw_fields: RawFields, *why: str) -> str:
    """The text to edit. why: lines for its top."""
    named = sorted(raw_fields.items(), key=lambda item: (_ORDER.get(item[0], len(_ORDER)), item[0]))
    form = dict(_offered(name, value) for name, value in named)
    top = [f"# {' '.join(_escaped(line).split())}" for line in why]
    return "\n".join([*top, _written(form, indent=2), ""])


def edited_fields(text: str, raw_fields: RawFields) -> dict[str, str] | str:
    """The fields that an edited form means, or why it means none. Whether they make an intent is not looked at.

    A `*_json` field that was left alone keeps its text to the byte. Numbers become digits; null leaves a field out.
    """
    try:
        value = _document(_without_top(text))
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:
        return f"it is not valid JSON: {error}"
    return _fields(value, raw_fields) if isinstance(value, dict) else "it must be a JSON object"


def _fields(value: Mapping[str, object], raw_fields: RawFields) -> dict[str, str] | str:
    fields: dict[str, str] = {}
    for name, edited in value.items():
        if edited is None:
            continue
        if _MARKED.fullmatch(name):
            return f"{name!r} cannot be sent: write it as text under its own name, or take it out"
        if name.endswith("_json"):
            fields[name] = _json_text(edited, raw_fields.get(name))
        elif isinstance(edited, str) or type(edited) is int:
            fields[name] = str(edited)
        else:
            return f"{name!r} must be text"
        if _half_character(name) or _half_character(fields[name]):
            return f"{name!r} holds half of a surrogate pair, which is no character"
    return fields


def _offered(name: str, value: object) -> tuple[str, object]:
    if isinstance(value, list):
        return f"{name} (given {len(value)} times)", [text_of(v) for v in value]
    if isinstance(value, dict):
        if "cut" in value:
            return f"{name} (cut)", text_of(value["cut"])
        return f"{name} (bytes)", text_of(value)
    if name.endswith("_json"):
        try:
            document = _document(str(value))
            # Writing with indents goes less deep than reading.
            _written(document, indent=2)
        except (ValueError, RecursionError):
            return name, value
        if isinstance(document, (dict, list)):
            return name, document
    return name, value


def _json_text(edited: object, recorded: object) -> str:
    if isinstance(edited, str):
        return edited
    written = _written(edited)
    if isinstance(recorded, str):
        _, offered = _offered("_json", recorded)
        if _written(offered) == written:
            return recorded
    return written


def _document(text: str) -> object:
    """The JSON document, if writing it again gives an equal one. Raises ValueError or RecursionError."""
    return json.loads(text, object_pairs_hook=_unique, parse_float=_exact, parse_constant=_refuse)


def _unique(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object names a member twice")
    return members


def _exact(text: str) -> float:
    number = float(text)
    try:
        exact = math.isfinite(number) and Decimal(repr(number)) == Decimal(text)
    except ArithmeticError:
        exact = False
    if not exact:
        raise ValueError(f"the number {text[:40]} would be rounded: write the whole field as text")
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _without_top(text: str) -> str:
    lines = text.removeprefix("\ufeff").split("\n")
    while lines and (lines[0].startswith("#") or not lines[0].strip()):
        del lines[0]
    return "\n".join(lines)


def _written(value: object, indent: int | None = None) -> str:
    return _escaped(json.dumps(value, ensure_ascii=False, indent=indent))


def _escaped(text: str) -> str:
    # In JSON text every such character but the line's end stands within a string.
    return "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def _half_character(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)
