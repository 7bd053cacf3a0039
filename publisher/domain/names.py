"""What is said of a name that nothing has."""

import difflib
from collections.abc import Iterable


def no_such(kind: str, name: str, known: Iterable[str]) -> str:
    """One line that says that nothing of this kind has this name, what there is, and which of it is meant, perhaps.

    kind: a noun, such as `channel`.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    there_are = f"there are: {', '.join(names)}" if names else "there is none"
    return f"no such {kind}: {name!r}; {there_are}" + (f"; did you mean {near[0]!r}?" if near else "")
