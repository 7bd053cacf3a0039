"""The types of settings: each parses a variable's text into a value and names the rule that a wrong text breaks."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from publisher.domain.lanes import Lane
from publisher.domain.rate_limit import RateLimit, parse_limit

PREFIX = "PUBLISHER_"
_HEAVIEST = 1000
# Far beyond any sense, and within what timedelta, PostgreSQL and Redis can count.
_LONGEST = Decimal(366 * 24 * 3600)


def _seconds(text: object) -> timedelta:
    try:
        seconds = Decimal(str(text).strip())
    except InvalidOperation:
        raise ValueError("must be a number of seconds") from None
    # Compared, not computed with: a huge exponent would overflow.
    if not seconds.is_finite() or not -_LONGEST <= seconds <= _LONGEST:
        raise ValueError("must be a number of seconds, at most a year")
    return timedelta(milliseconds=int(seconds * 1000))


def _not_blank(text: object) -> object:
    if not str(text).strip():
        raise ValueError("must not be blank")
    if not str(text).isprintable():
        raise ValueError("must hold no control characters, and be UTF-8")
    return text


def _above_zero(duration: timedelta) -> timedelta:
    # A whole millisecond is the least there is (R2): anything less has become zero.
    if duration <= timedelta(0):
        raise ValueError("must be above 0 seconds")
    return duration


def _zero_or_above(duration: timedelta) -> timedelta:
    if duration < timedelta(0):
        raise ValueError("must be 0 seconds or more")
    return duration


def _rate(text: object) -> RateLimit | None:
    if text is None or isinstance(text, RateLimit):
        return text
    return None if str(text).strip().lower() == "none" else parse_limit(str(text))


def _lane_weights(text: object) -> Mapping[Lane, int]:
    parts = [part.strip() for part in str(text).split("/")]
    if len(parts) != len(Lane) or not all(part.isdecimal() and 1 <= int(part[:5]) <= _HEAVIEST for part in parts):
        raise ValueError(f"must be the weights of {', '.join(Lane)}, each from 1 to {_HEAVIEST}, such as 8/3/1")
    return dict(zip(Lane, map(int, parts), strict=True))


LaneWeights = Annotated[Mapping[Lane, int], BeforeValidator(_lane_weights)]
PositiveSeconds = Annotated[timedelta, BeforeValidator(_seconds), AfterValidator(_above_zero)]
SecondsOrZero = Annotated[timedelta, BeforeValidator(_seconds), AfterValidator(_zero_or_above)]
Name = Annotated[str, BeforeValidator(_not_blank)]
# `none` stands for no limit, where a channel brings one.
Rate = Annotated[RateLimit | None, BeforeValidator(_rate)]
LowerCase = BeforeValidator(lambda text: str(text).strip().lower())
UpperCase = BeforeValidator(lambda text: str(text).strip().upper())


def without_blanks(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that say something. `${VAR:-}` sets a variable to nothing: its default holds."""
    return {variable: text for variable, text in environ.items() if text.strip()}


def rule(message: str) -> str:
    """The rule that a value breaks, of pydantic's message."""
    return message.removeprefix("Value error, ").replace("Input should", "must", 1)
