"""Says why the fields of an entry are not valid, in words for its sender and with none of their values (R19, R36)."""

from collections.abc import Sequence
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from publisher.domain.names import near_names
from publisher.domain.rejection import Rejection, RejectionCode

_CODES = {
    "missing": RejectionCode.MISSING_FIELD,
    "extra_forbidden": RejectionCode.UNKNOWN_FIELD,
    "string_too_long": RejectionCode.TOO_LARGE,
    "too_long": RejectionCode.TOO_LARGE,
} | {str(code): code for code in RejectionCode}


# What a producer is told of each kind of fault that pydantic finds. Faults that our own validators find have our words.
_WORDS = {
    "missing": "is missing",
    "string_pattern_mismatch": "may hold only a-z 0-9 . _ -, at least one and at most 128 characters",
    "string_too_long": "must be at most {max_length} characters",
    "string_type": "must be text",
    "string_unicode": "holds half of a surrogate pair, which is no character",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "list_type": "must be a JSON array",
    "model_type": "must be a JSON object",
    "too_short": "must name at least one recipient",
    "too_long": "must name at most {max_length} recipients",
}


def named_fields(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str] | Rejection:
    """Returns the values by the names of their fields, as text."""
    try:
        texts = [(name.decode(), value.decode()) for name, value in raw]
    except UnicodeDecodeError as error:
        return Rejection(RejectionCode.INVALID_UTF8, f"a field's name or value is not UTF-8: {error.reason}")
    named = dict(texts)
    if len(named) < len(texts):
        return Rejection(RejectionCode.DUPLICATE_FIELD, "a field is given more than once")
    return named


def rejection_of(error: ValidationError, model: type[BaseModel], owner: str) -> Rejection:
    """Returns the rejection of fields that are not valid.

    model: which they were validated with.
    owner: what has such fields, such as `an intent`.
    """
    problems = error.errors(include_url=False, include_input=False)
    code = _CODES.get(problems[0]["type"], RejectionCode.INVALID_FIELD)
    lines = [f"{_place(problem['loc'])}: {_worded(problem, model, owner)}" for problem in problems[:5]]
    if len(problems) > 5:
        lines.append(f"and {len(problems) - 5} more")
    location = problems[0]["loc"]
    return Rejection(code, "; ".join(lines), str(location[0]) if location else None)


def _worded(problem: ErrorDetails, model: type[BaseModel], owner: str) -> str:
    if problem["type"] == "extra_forbidden":
        return _no_field(problem["loc"], model, owner)
    words = _WORDS.get(problem["type"])
    return problem["msg"] if words is None else words.format_map(problem.get("ctx", {}))


def _no_field(location: tuple[int | str, ...], model: type[BaseModel], owner: str) -> str:
    """Says which field was meant, of those that there are: the sender's own word is in the place alone."""
    known = list(model.model_fields)
    if len(location) > 1:
        (recipient,) = get_args(model.model_fields["recipients_json"].annotation)
        owner, known = "a recipient", list(recipient.model_fields)
    near = near_names(str(location[-1]), known)
    return f"is no field of {owner}" + (f"; did you mean {near[0]}?" if near else "")


def _place(location: tuple[int | str, ...]) -> str:
    # The name of an unknown field is the sender's text, of any length and any characters. A long name is replaced and
    # not cut: the logs would not mask half an address.
    text = ".".join(part if len(part) <= 100 else f"(a name of {len(part)} characters)" for part in map(str, location))
    return "".join(c if c.isprintable() else "?" for c in text)
