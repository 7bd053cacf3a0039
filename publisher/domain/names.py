"""Words the error for an unknown name: it lists the names there are, and the nearest one."""

import difflib
from collections.abc import Iterable


def no_such(kind: str, name: str, known: Iterable[str]) -> str:
    """Returns one line: nothing of this kind has this name, which names there are, and the nearest of them.

    kind: a noun, such as `channel`.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    there_are = f"there are: {', '.join(names)}" if names else "there is none"
    return f"no such {kind}: {name!r}; {there_are}" + (f"; did you mean {near[0]!r}?" if near else "")
