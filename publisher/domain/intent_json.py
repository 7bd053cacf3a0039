"""Reads an intent or a cancellation that a person wrote as a JSON object: its keys are the stream's fields.

The ending `_json` of a field's name may be left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from json import JSONDecodeError

from publisher.domain.cancellation import Cancellation
from publisher.domain.channel import Channel
from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_fields
from publisher.domain.json_text import Member, NoObject, members
from publisher.domain.notification import RouteStatus
from publisher.domain.planning import PlannedRoute, plan_routes
from publisher.domain.rejection import Rejection
from publisher.domain.written_fields import BadMember, as_written, written_fields

JSON_FIELDS = frozenset({"recipients", "channels", "payload"})


@dataclass(frozen=True, slots=True)
class WrittenIntent:
    """A line that is an intent.

    fields: the fields of its entry on the stream.
    intent: the intent that they make.
    routes: those that it asks for.
    """

    fields: Mapping[str, str]
    intent: Intent
    routes: Sequence[PlannedRoute]

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that reach at least one of its recipients."""
        return tuple(dict.fromkeys(route.channel for route in self.routes if route.status is RouteStatus.PENDING))


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
    reason: what is wrong with it, with the code of its rejection.
    rejection: why its fields make no intent. None: it is no JSON object.
    """

    column: int
    reason: str
    rejection: Rejection | None = field(default=None, compare=False)


def intent_of_line(line: bytes, channels: Mapping[str, Channel]) -> Written | RefusedLine:
    """Returns the intent or cancellation of one line, or the reason why intake would refuse it. Raises nothing.

    A field such as `recipients_json` holds its JSON as text, as on the stream, or the JSON itself; see
    `publisher.domain.written_fields`. channels: the configured channels by name.
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
    return intent_of_members(written, channels)


def intent_of_members(written: Sequence[Member], channels: Mapping[str, Channel]) -> Written | RefusedLine:
    """Returns the intent or cancellation that these members of a JSON object make, as `intent_of_line` does."""
    found = written_fields(written, JSON_FIELDS)
    if isinstance(found, BadMember):
        return _refused(found.rejection, found.at)
    intent = parse_fields(found.fields, channels)
    if isinstance(intent, Rejection):
        return _refused(as_written(intent, written, JSON_FIELDS), found.at.get(intent.field or "", 0))
    if isinstance(intent, Cancellation):
        return WrittenCancellation(found.fields, intent)
    routes = plan_routes(intent, channels)
    if isinstance(routes, Rejection):
        return _refused(as_written(routes, written, JSON_FIELDS), found.at.get(routes.field or "", 0))
    return WrittenIntent(found.fields, intent, routes)


def _refused(rejection: Rejection, at: int) -> RefusedLine:
    return RefusedLine(at + 1, f"{rejection.code.value}: {rejection.message}", rejection)
