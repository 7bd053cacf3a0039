"""Makes the fields of a stream's entry of a JSON object that a person or a program wrote: its keys are their names.

The ending `_json` of a field's name may be left out. A number becomes its digits as they are written, and null leaves
the field out. The text of JSON fields is taken byte for byte.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from publisher.domain.json_text import Member, Number
from publisher.domain.rejection import Rejection, RejectionCode


@dataclass(frozen=True, slots=True)
class WrittenFields:
    """The fields of an entry.

    fields: their values as the stream has them.
    at: where in the document the value of each begins.
    """

    fields: Mapping[str, str]
    at: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BadMember:
    """A member that can be no field. at: where in the document its value begins."""

    at: int
    rejection: Rejection


def written_fields(members: Sequence[Member], json_fields: Collection[str]) -> WrittenFields | BadMember:
    """Returns the fields that these members make, or the first member that makes none.

    json_fields: the fields that hold JSON as text on the stream, without the ending of their names.
    """
    fields: dict[str, str] = {}
    places: dict[str, int] = {}
    for member in members:
        name = f"{member.name}_json" if member.name in json_fields else member.name
        refusal = _refusal(member, json_fields, twice=name in places)
        if refusal is not None:
            return BadMember(member.at, refusal)
        places[name] = member.at
        if member.value is not None:
            fields[name] = member.value if type(member.value) is str and name == member.name else member.text
    return WrittenFields(fields, places)


def as_written(rejection: Rejection, members: Sequence[Member], json_fields: Collection[str]) -> Rejection:
    """Returns the rejection with the fields named as the sender writes them: without `_json`, unless it was written."""
    short = set(json_fields) - {member.name.removesuffix("_json") for member in members if member.name[-5:] == "_json"}
    if not short:
        return rejection
    # Not within a path: what a recipient has is the sender's own word.
    name = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, sorted(short)))})_json\b")
    field = rejection.field and name.sub(r"\1", rejection.field)
    return replace(rejection, message=name.sub(r"\1", rejection.message), field=field)


def bound(members: Sequence[Member], name: str, value: str) -> Sequence[Member] | None:
    """Returns the members with this value of a field, which is added where it is missing. None: it has another one."""
    given = [member for member in members if member.name == name and member.value is not None]
    if not given:
        return [*(member for member in members if member.name != name), Member(name, value, value, 0)]
    return members if all(member.value == value for member in given) else None


def _refusal(member: Member, json_fields: Collection[str], *, twice: bool) -> Rejection | None:
    """Returns why this member cannot be a field at all; None leaves the judgement to intake's rules."""
    if not _is_text(member.name) or (isinstance(member.value, str) and not _is_text(member.value)):
        return Rejection(RejectionCode.INVALID_UTF8, "holds half of a surrogate pair, which is no character")
    if twice:
        return Rejection(RejectionCode.DUPLICATE_FIELD, "a field is given more than once", member.name)
    is_text = member.value is None or isinstance(member.value, (str, Number))
    if not is_text and member.name.removesuffix("_json") not in json_fields:
        return Rejection(RejectionCode.INVALID_FIELD, f"{member.name!r} must be text or a number", member.name)
    return None


def _is_text(text: str) -> bool:
    """Whether the text has whole characters alone. ASCII, which nearly all of it is, is not encoded for that."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
