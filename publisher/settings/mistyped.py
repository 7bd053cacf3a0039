"""Finds which variable a mistyped one was meant to be: nothing reads that, and a default stays in force."""

from collections.abc import Iterable

from publisher.domain.names import near_names
from publisher.settings.types import PREFIX


def meant_variables(unknown: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Returns the known variable that each unknown one is spelled nearly like. Left out: those that are like none.

    All have one beginning, which is left out of the comparison: it would make any two of them alike.
    """
    names = [each.removeprefix(PREFIX) for each in known if each.startswith(PREFIX)]
    near = {each: near_names(each.removeprefix(PREFIX), names) for each in unknown}
    return {each: f"{PREFIX}{found[0]}" for each, found in near.items() if found}
