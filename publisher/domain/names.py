"""Finds the names that a misspelled name is near to, and words the error for a name that nothing has."""

import difflib
from collections.abc import Iterable, Sequence

# As many names as a person reads.
_LISTED = 20
# How much of two names must be the same. At less, `consumers` would be offered for `nonsense`.
_ALIKE = 0.7


def near_names(name: str, known: Iterable[str]) -> Sequence[str]:
    """Returns up to three known names that are spelled nearly like this one, the nearest first. Case does not count."""
    folded = {each.casefold(): each for each in sorted(known, reverse=True)}
    return [folded[near] for near in difflib.get_close_matches(name.strip().casefold(), folded, n=3, cutoff=_ALIKE)]


def no_such(kind: str, name: str, known: Iterable[str], among: str = "") -> str:
    """Returns one line: nothing of this kind has this name, which one was meant, and the first names that there are.

    kind: a noun, such as `channel`. among: of which it was looked for, such as ` among the newest`; blank: of all.
    """
    names = sorted(known)
    near = near_names(name, names)
    meant = f"; did you mean {near[0]}?" if near else ";"
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    there_are = f"{kind}s: {', '.join(names[:_LISTED])}{more}" if names else f"there is no {kind} at all"
    return f"there is no {kind} {name!r}{among}{meant} {there_are}"
