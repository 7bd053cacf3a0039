"""Words a duration for people."""

from collections.abc import Sequence
from datetime import timedelta

_SECONDS = (86_400, 3_600, 60, 1)
_SPELLED = (" d", " h", " min", " s")


def span(duration: timedelta) -> str:
    """Words a duration for a sentence, in its two largest units: `1 d 4 h`, `3 min 20 s`, `1.5 s`, `0.4 ms`."""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    return two_largest(seconds, _SPELLED)


def two_largest(seconds: float, names: Sequence[str]) -> str:
    """Words a number of seconds in its two largest units. names: of a day, an hour, a minute and a second."""
    rest, parts = int(seconds), []
    for name, unit in zip(names, _SECONDS, strict=True):
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{name}")
    return " ".join(parts[:2]) or f"0{names[-1]}"
