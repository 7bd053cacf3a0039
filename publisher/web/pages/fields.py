"""Reads the fields that several forms have: a time, and a rate."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from publisher.domain.errors import BadRequest
from publisher.operations.instants import check_window, read_instant

E = TypeVar("E", bound=StrEnum)


def text_of(fields: Mapping[str, str], name: str) -> str | None:
    """Returns what was typed into the field; None: nothing was."""
    return fields.get(name, "").strip() or None


def window_of(fields: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    """Returns the instants of the fields since and until, as the terminal reads them; None: the field is blank.

    Raises BadRequest for a text that is no instant, and if nothing can lie between the two.
    """
    now = datetime.now(UTC)
    # To the millisecond, so that a command line can say the very same instant.
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    since, until = (
        None if (text := text_of(fields, name)) is None else read_instant(text, now) for name in ("since", "until")
    )
    check_window(since, until, now)
    return since, until


def rate_of(fields: Mapping[str, str]) -> int | None:
    """Returns the routes a second of the field rate; None: it is blank, and there is no limit. Raises BadRequest."""
    return number_of(fields, "rate", "a rate is a whole number of routes a second, of at least 1; blank: no limit")


def one_of(fields: Mapping[str, str], name: str, choices: type[E]) -> E | None:
    """Returns the choice of the field; None: it is blank. Raises BadRequest, which names the choices."""
    text = text_of(fields, name)
    try:
        return None if text is None else choices(text)
    except ValueError:
        raise BadRequest(f"{text!r} is no {name}: choose {', '.join(choices)}") from None


def number_of(fields: Mapping[str, str], name: str, rule: str, *, least: int = 1) -> int | None:
    """Returns the whole number of the field; None: it is blank. Raises BadRequest, which says the rule."""
    text = text_of(fields, name)
    if text is None:
        return None
    # No number of ours has more digits; int() would read thousands.
    if not (text.isascii() and text.isdecimal() and len(text) <= 15 and int(text) >= least):
        raise BadRequest(f"{text[:40]!r} was given, and {rule}")
    return int(text)
