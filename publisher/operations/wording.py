"""Durations, sizes and lists of names in words."""

from collections.abc import Sequence
from datetime import timedelta

from publisher.domain.durations import span, two_largest

__all__ = ["coarse", "figure", "many", "names", "one_line", "printable", "rate", "short", "size", "span"]

# Units as narrow tables have them.
_SHORT = ("d", "h", "m", "s")
_FIGURES = ((1_000_000_000, "G"), (1_000_000, "M"))
_SIZES = ("bytes", "KiB", "MiB", "GiB", "TiB")
# As many names as a line can hold.
_NAMED = 5


def short(duration: timedelta) -> str:
    """Words a duration for a table, in its two largest units: `1d 4h`, `3m 20s`, `0.250s`."""
    seconds = duration.total_seconds()
    return f"{seconds:.3f}s" if seconds < 10 else two_largest(seconds, _SHORT)


def coarse(duration: timedelta) -> str:
    """Words a duration for a table in whole seconds or more: `3s`, `12m 3s`. A negative one, of clocks that differ,
    is `0s`."""
    return two_largest(max(0, duration.total_seconds()), _SHORT)


def size(count: int) -> str:
    """Words a number of bytes: `512 bytes`, `1.5 GiB`."""
    amount, power = float(count), 0
    while amount >= 1024 and power < len(_SIZES) - 1:
        amount, power = amount / 1024, power + 1
    return f"{amount:.3g} {_SIZES[power]}"


def names(all_: Sequence[str]) -> str:
    """Lists the first few names, and says how many more there are."""
    shown = ", ".join(all_[:_NAMED])
    return shown if len(all_) <= _NAMED else f"{shown} and {len(all_) - _NAMED:,} more"


def printable(text: str) -> str:
    """Returns the text with a question mark for every control character: the text may come from anybody."""
    return "".join(c if c.isprintable() else "?" for c in text)


def one_line(text: str) -> str:
    """Returns the text as one printable line."""
    return printable(" ".join(text.split()))


def figure(number: int) -> str:
    """Words a number in few characters: `99,999`, `123k`, `10.0M`."""
    for size, unit in _FIGURES:
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:,}" if number < 100_000 else f"{number // 1000}k"


def rate(count: int, span: timedelta) -> str:
    """Words how many a second that is, of `count` in this span: `0`, `0.4`, `1,234`."""
    a_second = count / span.total_seconds()
    if 0 < a_second < 0.1:
        return "<0.1"
    return f"{a_second:.1f}" if 0 < a_second < 10 else figure(round(a_second))


def many(count: int, what: str) -> str:
    """Words a number of things: `no worker`, `1 worker`, `3 workers`."""
    return f"no {what}" if count == 0 else f"{figure(count)} {what}{'s' if count != 1 else ''}"
