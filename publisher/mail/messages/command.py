"""Parses an entry of the email channel's stream: a command to send one message, or a rejection that says why not."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from publisher.domain.channel import COMMAND_SIZE_LIMIT
from publisher.domain.instants import from_milliseconds
from publisher.domain.intent_fields import UNPRINTABLE
from publisher.domain.mailbox import Mailbox, parse_mailbox
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.domain.strict_json import DEPTH_LIMIT, depth, finite, refuse_constant, unique_keys
from publisher.domain.traceparent import Traceparent, parse_traceparent

_TEMPLATE_ID = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,127}")
_MILLISECONDS = re.compile(r"[0-9]{1,14}", re.ASCII)
_PAYLOAD = "payload_json"
_LONGEST_ID, _LONGEST_ADDRESS, _LONGEST_LOCALE, _LONGEST_TRACE = 1024, 512, 64, 128
_MOST_REPLIES = 10
# The intent's payload may have the full depth, and stands one level below the command's.
_DEEPEST = DEPTH_LIMIT + 1
_decode = json.JSONDecoder(object_pairs_hook=unique_keys, parse_float=finite, parse_constant=refuse_constant).decode


@dataclass(frozen=True, slots=True)
class MailCommand:
    """A command to render a template and to send the message to one address.

    delivery_id: the same at every repetition of the command.
    to: the address as the command has it; mail can perhaps not be sent to it.
    template_id: letters a-z, digits, `.`, `_` and `-`; it begins with no dot.
    locale: as the producer wrote it.
    variables: the payload of the intent.
    reply_to: where answers go; empty: where the template says.
    requested_at: when the intent was accepted.
    request_id, trace_id: None if the intent had none.
    context: the place in the trace under which the message is sent; None: there is none.
    """

    delivery_id: str
    to: str
    template_id: str
    locale: str
    variables: Mapping[str, object]
    reply_to: tuple[Mailbox, ...]
    requested_at: datetime
    request_id: str | None = None
    trace_id: str | None = None
    context: Traceparent | None = None


class _Rejected(Exception):
    """Ends the parsing of an entry with this verdict."""

    def __init__(self, code: RejectionCode, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.verdict = Rejection(code, message if field is None else f"{field}: {message}", field)


def parse_command(raw: Sequence[tuple[bytes, bytes]]) -> MailCommand | Rejection:
    """Returns the command of these raw field names and values, or the reason why they are none.

    Fields and members that are not known are ignored: a later publisher may add some. Raises nothing, whatever the
    bytes are.
    """
    try:
        return _command(_named(raw))
    except _Rejected as rejected:
        return rejected.verdict


def parse_fields(fields: Mapping[str, str]) -> MailCommand | Rejection:
    """Returns the command of these fields, as `parse_command` does, where they were kept as text."""
    try:
        return _command(fields)
    except _Rejected as rejected:
        return rejected.verdict


def delivery_named(raw: Sequence[tuple[bytes, bytes]]) -> str | None:
    """Returns the delivery id among these raw fields, whether or not they are a command; None if none can be read."""
    try:
        return _text(_named(raw), "delivery_id", _LONGEST_ID)
    except _Rejected:
        return None


def _command(fields: Mapping[str, str]) -> MailCommand:
    delivery_id = _text(fields, "delivery_id", _LONGEST_ID)
    mode = _text(fields, "payload_mode", _LONGEST_ID)
    if mode != "template":
        raise _invalid("payload_mode", "must be template")
    requested_at = _text(fields, "requested_at_ms", _LONGEST_ID)
    if not _MILLISECONDS.fullmatch(requested_at):
        raise _invalid("requested_at_ms", "must be Unix milliseconds, digits alone")
    payload = _payload(fields)
    for name in ("cc", "bcc", "attachments"):
        if payload.get(name):
            raise _invalid(_PAYLOAD, f"{name} must be empty: a message goes to one recipient, with no attachment")
    return MailCommand(
        delivery_id,
        _recipient(payload),
        _template_id(payload),
        _member(payload.get("locale", ""), "locale", _LONGEST_LOCALE, blank=True),
        _variables(payload),
        _reply_to(payload),
        from_milliseconds(int(requested_at)),
        _optional(fields, "request_id"),
        _optional(fields, "trace_id"),
        # Of a publisher that makes no spans the producer's place is the last one.
        parse_traceparent(fields.get("traceparent")) or parse_traceparent(fields.get("trace_id")),
    )


def _named(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    try:
        texts = [(name.decode(), value.decode()) for name, value in raw]
    except UnicodeDecodeError as error:
        raise _Rejected(RejectionCode.INVALID_UTF8, f"a field's name or value is not UTF-8: {error.reason}") from error
    named = dict(texts)
    if len(named) < len(texts):
        raise _Rejected(RejectionCode.DUPLICATE_FIELD, "a field is given more than once")
    return named


def _text(fields: Mapping[str, str], name: str, longest: int) -> str:
    text = fields.get(name)
    if text is None:
        raise _Rejected(RejectionCode.MISSING_FIELD, "is missing", name)
    return _checked(text, name, longest)


def _optional(fields: Mapping[str, str], name: str) -> str | None:
    text = fields.get(name)
    return None if text is None else _checked(text, name, _LONGEST_TRACE, blank=True)


def _checked(text: str, name: str, longest: int, *, blank: bool = False) -> str:
    if len(text) > longest:
        raise _Rejected(RejectionCode.TOO_LARGE, f"must be at most {longest} characters", name)
    if UNPRINTABLE.search(text):
        raise _Rejected(RejectionCode.CONTROL_CHARACTER, "must not hold control characters or line separators", name)
    if not blank and not text.strip():
        raise _invalid(name, "must not be blank")
    return text


def _payload(fields: Mapping[str, str]) -> Mapping[str, object]:
    text = fields.get(_PAYLOAD)
    if text is None:
        raise _Rejected(RejectionCode.MISSING_FIELD, "is missing", _PAYLOAD)
    if len(text) > COMMAND_SIZE_LIMIT:
        raise _Rejected(RejectionCode.TOO_LARGE, f"must be at most {COMMAND_SIZE_LIMIT} characters", _PAYLOAD)
    try:
        payload = _decode(text)
    except RecursionError as error:
        raise _Rejected(RejectionCode.INVALID_JSON, "is nested too deeply", _PAYLOAD) from error
    except ValueError as error:
        # JSONDecodeError.msg says where the fault is and quotes nothing of the document.
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise _Rejected(RejectionCode.INVALID_JSON, f"is not valid JSON: {reason}", _PAYLOAD) from error
    if not isinstance(payload, dict):
        raise _invalid(_PAYLOAD, "must be a JSON object")
    # So many brackets are the least that a document of such a depth has.
    if text.count("{") + text.count("[") > _DEEPEST and depth(payload) > _DEEPEST:
        raise _Rejected(RejectionCode.INVALID_JSON, "is nested too deeply", _PAYLOAD)
    return payload


def _recipient(payload: Mapping[str, object]) -> str:
    to = payload.get("to")
    if not isinstance(to, list) or len(to) != 1:
        raise _invalid(_PAYLOAD, "to must be a list of one address: a message goes to one recipient")
    return _member(to[0], "to", _LONGEST_ADDRESS)


def _template_id(payload: Mapping[str, object]) -> str:
    template_id = payload.get("template_id")
    if not isinstance(template_id, str) or not _TEMPLATE_ID.fullmatch(template_id):
        raise _invalid(_PAYLOAD, "template_id may hold only a-z 0-9 . _ -, at most 128, and begins with no dot")
    return template_id


def _variables(payload: Mapping[str, object]) -> Mapping[str, object]:
    variables = payload.get("variables", {})
    if not isinstance(variables, dict):
        raise _invalid(_PAYLOAD, "variables must be a JSON object")
    return variables


def _reply_to(payload: Mapping[str, object]) -> tuple[Mailbox, ...]:
    given = payload.get("reply_to")
    if given is None or given == []:
        return ()
    if not isinstance(given, list) or len(given) > _MOST_REPLIES:
        raise _invalid(_PAYLOAD, f"reply_to must be a list of at most {_MOST_REPLIES} addresses")
    mailboxes = [parse_mailbox(_member(each, "reply_to", _LONGEST_ADDRESS)) for each in given]
    if None in mailboxes:
        raise _invalid(_PAYLOAD, "reply_to must hold addresses that mail can be sent to")
    return tuple([mailbox for mailbox in mailboxes if mailbox is not None])


def _member(value: object, name: str, longest: int, *, blank: bool = False) -> str:
    if not isinstance(value, str):
        raise _invalid(_PAYLOAD, f"{name} must be text")
    try:
        return _checked(value, name, longest, blank=blank)
    except _Rejected as rejected:
        verdict = rejected.verdict
        raise _Rejected(verdict.code, verdict.message, _PAYLOAD) from rejected


def _invalid(field: str, message: str) -> _Rejected:
    return _Rejected(RejectionCode.INVALID_FIELD, message, field)
