"""Turns a malformed intent into a form that an operator can edit, and the edited form into fields again.

The form is a JSON object. Its keys are the stream's fields; `*_json` fields stand as JSON where they are JSON that
intake would read, else as text. Numbers keep the digits that they are written with, on the way out and back.

A value that cannot be sent (bytes that are no text, a field given several times, the beginning of a huge value) stands
under a marked name, `producer (bytes)`, with what can be read of it: it is to be written as text under its own name.
Lines at the top that begin with # are for the reader.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import NoReturn

from publisher.domain.delivery_event_fields import DeliveryEventFields
from publisher.domain.intent_fields import UserFields
from publisher.domain.json_text import Member, Number, members
from publisher.operations.malformed.fields import RawFields, text_of

_NAMES = dict.fromkeys([*UserFields.model_fields, *DeliveryEventFields.model_fields])
_ORDER = {name: place for place, name in enumerate(_NAMES)}
# Of valid JSON: a string, a sign, or else a number or a word.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')
_OPENING, _CLOSING = frozenset("{["), frozenset("}]")
_MARKED = re.compile(r".* \((bytes|given \d+ times|cut)\)", re.DOTALL)


def edit_form(raw_fields: RawFields, *why: str) -> str:
    """Returns the form of these fields as text. why: lines that stand at its top as comments."""
    named = sorted(raw_fields.items(), key=lambda item: (_ORDER.get(item[0], len(_ORDER)), item[0]))
    form = ", ".join(f"{json.dumps(shown)}: {text}" for shown, text in (_offered(*item) for item in named))
    top = [f"# {' '.join(_escaped(line).split())}" for line in why]
    return "\n".join([*top, _written(f"{{{form}}}", indented=True), ""])


def edited_fields(text: str, raw_fields: RawFields) -> dict[str, str] | str:
    """Returns the fields of an edited form, or the reason why it is no form. They need not make an intent.

    A `*_json` field that was left alone keeps its text to the byte. Numbers become digits; null leaves a field out.
    """
    form = _without_top(text)
    try:
        value = _document(form)
        if not isinstance(value, dict):
            return "it must be a JSON object"
        return _fields(members(form), raw_fields)
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:
        return f"it is not valid JSON: {error}"


def _fields(form: Iterable[Member], raw_fields: RawFields) -> dict[str, str] | str:
    fields: dict[str, str] = {}
    for member in form:
        name, edited = member.name, member.value
        if edited is None:
            continue
        if _MARKED.fullmatch(name):
            return f"{name!r} cannot be sent: write it as text under its own name, or take it out"
        if name.endswith("_json") and type(edited) is not str:
            fields[name] = _json_text(member.text, raw_fields.get(name))
        elif type(edited) is str or (isinstance(edited, Number) and edited.lstrip("-").isdigit()):
            fields[name] = str(edited)
        else:
            return f"{name!r} must be text"
        if _half_character(name) or _half_character(fields[name]):
            return f"{name!r} holds half of a surrogate pair, which is no character"
    return fields


def _offered(name: str, value: object) -> tuple[str, str]:
    """The name and the JSON text under which a recorded value stands in the form."""
    if isinstance(value, list):
        return f"{name} (given {len(value)} times)", json.dumps([text_of(v) for v in value])
    if isinstance(value, dict):
        if "cut" in value:
            return f"{name} (cut)", json.dumps(text_of(value["cut"]))
        return f"{name} (bytes)", json.dumps(text_of(value))
    text = str(value)
    return name, text if name.endswith("_json") and _is_container(text) else json.dumps(text)


def _is_container(text: str) -> bool:
    """True if the text is a JSON object or array that intake would read."""
    try:
        return isinstance(_document(text), (dict, list))
    except (ValueError, RecursionError):
        return False


def _json_text(edited: str, recorded: object) -> str:
    """The text of an edited JSON value: the recorded one, to the byte, if it is still that."""
    written = _written(edited)
    if isinstance(recorded, str) and _is_container(recorded) and _written(recorded) == written:
        return recorded
    return written


def _document(text: str) -> object:
    """The JSON document, by intake's rules. Raises ValueError or RecursionError."""
    return json.loads(text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse)


def _unique(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object names a member twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _without_top(text: str) -> str:
    """The form with its comment lines left blank: what is said of a line of it names the line that the editor shows."""
    lines = text.removeprefix("\ufeff").split("\n")
    for place, line in enumerate(lines):
        if not line.startswith("#") and line.strip():
            break
        lines[place] = ""
    return "\n".join(lines)


def _written(text: str, *, indented: bool = False) -> str:
    """The same JSON on one line, or a value a line. Letters stand as themselves, numbers with the digits they have."""
    parts: list[str] = []
    depth, before = 0, ""
    for token in _TOKEN.findall(text):
        begins_line = before == "," or before in _OPENING
        if token in _CLOSING:
            depth -= 1
            # An empty object or array stays on its line.
            begins_line = before not in _OPENING
        if indented and begins_line:
            parts.append("\n" + "  " * depth)
        elif before in (":", ","):
            parts.append(" ")
        parts.append(_letters(token) if token.startswith('"') else token)
        depth += token in _OPENING
        before = token
    return "".join(parts)


def _letters(string: str) -> str:
    """A JSON string without needless escapes."""
    return _escaped(json.dumps(json.loads(string), ensure_ascii=False))


def _escaped(text: str) -> str:
    # In JSON text every such character but the line's end stands within a string.
    return "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def _half_character(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)
