"""Renders an event for people: one short line, and below it the traceback if there is one (R26)."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from publisher.process.log_lines import shown_on_one_line

# Several lines long by nature: their line feeds stay.
_TRACEBACKS = ("exception", "stack")
_PLACES = ("at", "level", "logger", "event", *_TRACEBACKS)
# What `explain` and `trace` say of a route, given its delivery id; and its span, which is nothing without its trace.
_LOOKED_UP = frozenset(
    {
        *("notification_id", "notification_type", "producer", "audience_kind", "idempotency_key"),
        *("request_id", "trace_id", "span_id", "route_id", "channel", "stream_entry_id"),
    }
)
_COLOURS = {"debug": "2", "warning": "33", "error": "31", "critical": "31"}
_DIM = "2"

Render = Callable[[object, str, MutableMapping[str, Any]], str]


def for_people(colours: bool) -> Render:
    """Returns a processor of structlog that makes the text of an event.

    The line has the time of day in UTC, the level unless it is info, the event, and its fields. A field without a value
    is left out. Of a route it has the delivery id alone, by which every other field is found.
    """

    def render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        level = str(event.get("level", "info"))
        time = _painted(_time(event), _DIM, colours)
        said = shown_on_one_line(str(event.get("event", "")))
        text = said if level == "info" else _painted(f"{level.upper()} {said}", _COLOURS.get(level, ""), colours)
        fields = "  ".join(_field(name, value, colours) for name, value in _fields(event).items())
        line = f"{time} {text}  {fields}" if fields else f"{time} {text}"
        return "\n".join([line, *(_traceback(event[name]) for name in _TRACEBACKS if event.get(name))])

    return render


def _time(event: Mapping[str, Any]) -> str:
    # 2026-03-14T09:26:53.589Z
    return f"{shown_on_one_line(str(event.get('at', '')))[11:19]}Z"


def _fields(event: Mapping[str, Any]) -> dict[str, object]:
    hidden = _LOOKED_UP if event.get("delivery_id") else frozenset()
    return {
        str(name): value
        for name, value in event.items()
        if name not in _PLACES and name not in hidden and value is not None
    }


def _field(name: str, value: object, colours: bool) -> str:
    return f"{_painted(f'{shown_on_one_line(name)}=', _DIM, colours)}{_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return ",".join(map(_value, value))
    if not isinstance(value, str):
        return shown_on_one_line(repr(value))
    plain = value.isprintable() and value and not set(" \"'=,") & set(value)
    return value if plain else shown_on_one_line(repr(value))


def _traceback(text: object) -> str:
    return "\n".join(map(shown_on_one_line, str(text).split("\n")))


def _painted(text: str, code: str, colours: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colours and code else text
