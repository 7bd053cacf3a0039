"""Reads a JSON object, or an array of them, and keeps the exact text of each value.

Decoding a number and encoding it again turns 1.10 into 1.1, and 12345678901234567.89 into another number.
"""

import json
import re
from json import JSONDecodeError
from typing import NamedTuple

_SPACE = re.compile(r"[ \t\n\r]*")


class Number(str):
    """The digits of a number in a JSON document, as they are written."""

    __slots__ = ()


class NoObject(JSONDecodeError):
    """Raised for a JSON document that is not an object."""


class TooMany(ValueError):
    """Raised for an array of too many elements, or an object of too many members. Its text says which."""


class Member(NamedTuple):
    """A member of a JSON object.

    value: the decoded value, with numbers as Number.
    text: the exact text of the value.
    at: the offset in the document at which that text begins.
    """

    name: str
    value: object
    text: str
    at: int


# NaN and Infinity are accepted here; whoever uses the text applies its own rules to them.
_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number)
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
# Nothing is read behind the end of an object.
_NEXT = re.compile(r"[ \t\n\r]*(?:,[ \t\n\r]*|\})")
_SPACES = frozenset(" \t\n\r")


def members(text: str, most: int | None = None) -> list[Member]:
    """Returns the members of a JSON object in their order. A repeated name is returned each time.

    most: how many it may have, and TooMany is raised for one more; None: any number.
    Raises JSONDecodeError with the place if the text is not JSON, NoObject if it is another JSON document, and
    RecursionError if it is nested too deeply.
    """
    place = _after_space(text, 0)
    if not text.startswith("{", place):
        _end(text, _DECODER.raw_decode(text, place)[1])
        raise NoObject("it must be a JSON object", text, place)
    found, place = _members(text, place, most)
    _end(text, place)
    return found


def elements(text: str, most: int, most_members: int) -> list[list[Member] | None] | None:
    """Returns the elements of a JSON array: the members of each that is an object, None for each that is none.

    None: the document is no array.
    most: how many elements it may have. most_members: how many members each of them may have.
    Raises TooMany once it meets one more, and JSONDecodeError and RecursionError as `members` does.
    """
    place = _after_space(text, 0)
    if not text.startswith("[", place):
        return None
    found: list[list[Member] | None] = []
    place = _after_space(text, place + 1)
    while found or not text.startswith("]", place):
        if len(found) == most:
            raise TooMany(f"an array has more than {most:,} elements")
        if text.startswith("{", place):
            element, place = _members(text, place, most_members)
            found.append(element)
        else:
            place = _DECODER.raw_decode(text, place)[1]
            found.append(None)
        place = _after_space(text, place)
        if text.startswith("]", place):
            break
        place = _after_space(text, _expect(text, ",", place))
    _end(text, place + 1)
    return found


def _members(text: str, place: int, most: int | None) -> tuple[list[Member], int]:
    """Returns the members of the object that begins at this place, and the place behind it."""
    found: list[Member] = []
    place = _after_space(text, place + 1)
    if text.startswith("}", place):
        return found, place + 1
    while True:
        if len(found) == most:
            raise TooMany(f"an object has more than {most:,} members")
        if not text.startswith('"', place):
            raise JSONDecodeError("Expecting property name enclosed in double quotes", text, place)
        name, place = _DECODER.raw_decode(text, place)
        begin = _behind(_COLON, text, place, ":")
        value, end = _DECODER.raw_decode(text, begin)
        found.append(Member(name, value, text[begin:end], begin))
        place = _behind(_NEXT, text, end, ",")
        if text[place - 1] == "}":
            return found, place


def _behind(sign: re.Pattern[str], text: str, place: int, expected: str) -> int:
    """Returns the place behind this sign and the space around it. One search takes less time than several steps."""
    matched = sign.match(text, place)
    if matched is None:
        raise JSONDecodeError(f"Expecting '{expected}' delimiter", text, _after_space(text, place))
    return matched.end()


def _after_space(text: str, place: int) -> int:
    # Most values follow at once, or one space behind: a search would take several times as long.
    if text[place : place + 1] not in _SPACES:
        return place
    space = _SPACE.match(text, place)
    return place if space is None else space.end()


def _expect(text: str, sign: str, place: int) -> int:
    if not text.startswith(sign, place):
        raise JSONDecodeError(f"Expecting '{sign}' delimiter", text, place)
    return place + 1


def _end(text: str, place: int) -> None:
    if (place := _after_space(text, place)) != len(text):
        raise JSONDecodeError("Extra data", text, place)
