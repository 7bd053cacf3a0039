"""Reads an intent or a cancellation that a person wrote as a JSON object: its keys are the stream's fields.

The ending `_json` of a field's name may be left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from json import JSONDecodeError

from publisher.domain.cancellation import Cancellation
from publisher.domain.channel import Channel
from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_entry
from publisher.domain.json_text import Member, NoObject, Number, members
from publisher.domain.notification import RouteStatus
from publisher.domain.planning import plan_routes
from publisher.domain.rejection import Rejection, RejectionCode

_JSON_FIELDS = ("recipients", "channels", "payload")
# A producer's own fields, which hold JSON as text. A person may write the JSON itself.
_ENCODED = tuple(f"{name}_json" for name in _JSON_FIELDS)


@dataclass(frozen=True, slots=True)
class WrittenIntent:
    """A line that is an intent.

    fields: the fields of its entry on the stream.
    intent: the intent that they make.
    channels: the channels that reach at least one of its recipients.
    """

    fields: Mapping[str, str]
    intent: Intent
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrittenCancellation:
    """A line that is a cancellation. fields: the fields of its entry on the stream."""

    fields: Mapping[str, str]
    cancellation: Cancellation


Written = WrittenIntent | WrittenCancellation


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that is neither.

    column: the character at fault, counted from 1.
    reason: what is wrong with it.
    """

    column: int
    reason: str


def intent_of_line(line: bytes, channels: Mapping[str, Channel]) -> Written | RefusedLine:
    """Returns the intent or cancellation of one line, or the reason why intake would refuse it. Raises nothing.

    The text of recipients, channels and payload is taken from the line byte for byte. A number becomes its digits as
    they are written, and null leaves the field out. A field such as `recipients_json` holds its JSON as text, as on
    the stream, or the JSON itself. channels: the configured channels by name.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return RefusedLine(len(line[: error.start].decode()) + 1, f"is not UTF-8: {error.reason}")
    try:
        written = members(text)
    except RecursionError:
        return RefusedLine(1, "is nested too deeply")
    except NoObject as error:
        return RefusedLine(error.pos + 1, "must be a JSON object")
    except JSONDecodeError as error:
        return RefusedLine(error.pos + 1, f"is not valid JSON: {error.msg}")
    return _judged(written, channels)


def _judged(written: list[Member], channels: Mapping[str, Channel]) -> Written | RefusedLine:
    fields: dict[str, str] = {}
    columns: dict[str, int] = {}
    for member in written:
        name = f"{member.name}_json" if member.name in _JSON_FIELDS else member.name
        refusal = _refusal(member, twice=name in columns)
        if refusal is not None:
            return RefusedLine(member.at + 1, refusal)
        columns[name] = member.at + 1
        if member.value is not None:
            fields[name] = member.value if type(member.value) is str and name == member.name else member.text
    intent = parse_entry([(name.encode(), value.encode()) for name, value in fields.items()], channels)
    if isinstance(intent, Rejection):
        return _refused(intent, columns)
    if isinstance(intent, Cancellation):
        return WrittenCancellation(fields, intent)
    planned = plan_routes(intent, channels)
    if isinstance(planned, Rejection):
        return _refused(planned, columns)
    reached = dict.fromkeys(route.channel for route in planned if route.status is RouteStatus.PENDING)
    return WrittenIntent(fields, intent, tuple(reached))


def _refused(rejection: Rejection, columns: Mapping[str, int]) -> RefusedLine:
    return RefusedLine(columns.get(rejection.field or "", 1), f"{rejection.code.value}: {rejection.message}")


def _refusal(member: Member, *, twice: bool) -> str | None:
    """Returns why this member cannot be a field at all; None leaves the judgement to intake's rules."""
    try:
        f"{member.name}{member.value if isinstance(member.value, str) else ''}".encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is no character"
    if twice:
        return f"{RejectionCode.DUPLICATE_FIELD.value}: a field is given more than once"
    is_text = member.value is None or isinstance(member.value, (str, Number))
    if not is_text and member.name not in (*_JSON_FIELDS, *_ENCODED):
        return f"{RejectionCode.INVALID_FIELD.value}: {member.name!r} must be text or a number"
    return None
