"""Bounds what one operation of a template makes of its operands, before it makes it.

A producer's variables decide how long a text is, how often it stands in another one, and how many columns a list is
split into. Without these bounds a message that is made of a few kilobytes can take all memory.
"""

import re
from collections.abc import Collection, Sequence
from typing import Any

from publisher.mail.templates.budget import BudgetExceeded, spend

# What one operation may make: a longer text or list, or a larger number, is a mistake or an attack.
_LONGEST = 2 * 1024 * 1024
_MOST_BITS = 10_000
_DEEPEST_INDENT = 16
# Methods of texts and filters that make a text, or a line of it, as wide as a number says.
_WIDENING = {"center", "ljust", "rjust", "zfill", "expandtabs", "indent", "wordwrap"}
_SPLITTING = {"batch", "slice"}
# A format that asks for ten thousand characters or more, or lets a variable say how many.
_WIDE = re.compile(r"%[-+ #0]*(?:\([^)]*\))?[-+ #0]*(?:\d{5}|\*|\d*\.(?:\d{5}|\*))")
_WIDE_IN_BRACES = re.compile(r":[^{}]*(?:\d{5}|\{)")


def check_call(name: str, value: Any, arguments: Sequence[Any]) -> None:
    """Checks a filter or a method of this name. Takes steps where a number says how often something is done.

    value: what the filter is applied to, or whose method it is. Raises BudgetExceeded.
    """
    numbers = sum(max(0, each) for each in arguments if isinstance(each, int))
    if name in _WIDENING:
        spend(numbers)
        breaks = value.count("\n") + value.count("\t") if isinstance(value, str) else 0
        _check_length(numbers * (1 + breaks))
    elif name in _SPLITTING:
        spend(numbers)
    elif name == "tojson" and numbers > _DEEPEST_INDENT:
        raise BudgetExceeded("it indents too far")
    elif name == "replace" and len(arguments) > 1:
        _check_replacement(*(str(each) for each in (value, arguments[0], arguments[1])))
    elif name == "join":
        _check_joined(*((value, arguments[0]) if isinstance(value, str) and arguments else (_first(arguments), value)))


def check_format(text: Any) -> None:
    """Checks a format as `%` takes it. Raises BudgetExceeded."""
    _check_width(text, _WIDE)


def check_format_in_braces(text: Any) -> None:
    """Checks a format as the method `format` takes it. Raises BudgetExceeded."""
    _check_width(text, _WIDE_IN_BRACES)


def check_product(left: Any, right: Any) -> None:
    """Checks a multiplication of numbers, or the repetition of a text or a list. Raises BudgetExceeded."""
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(_bits(left) + _bits(right))
    for sequence, times in ((left, right), (right, left)):
        if isinstance(times, int) and isinstance(sequence, (str, list, tuple)):
            _check_length(len(sequence) * times)


def check_power(base: Any, exponent: Any) -> None:
    """Checks a power. Raises BudgetExceeded."""
    _check_bits(_bits(base) * (abs(exponent) if isinstance(exponent, int) else 1))


def _check_replacement(text: str, old: str, new: str) -> None:
    _check_length(len(text) + text.count(old) * len(new))


def _check_joined(separator: Any, items: Any) -> None:
    if isinstance(items, Collection):
        _check_length(len(items) * len(str(separator)) + sum(len(each) for each in items if isinstance(each, str)))


def _first(arguments: Sequence[Any]) -> Any:
    return arguments[0] if arguments else ""


def _bits(number: Any) -> int:
    return number.bit_length() if isinstance(number, int) else 1


def _check_bits(bits: int) -> None:
    if bits > _MOST_BITS:
        raise BudgetExceeded("it computes a number that is too large")


def _check_length(length: int) -> None:
    if length > _LONGEST:
        raise BudgetExceeded("it makes a text or a list that is too long")


def _check_width(text: Any, wide: re.Pattern[str]) -> None:
    if isinstance(text, str) and wide.search(text):
        raise BudgetExceeded("it formats a value to a width that is too large, or that a variable says")
