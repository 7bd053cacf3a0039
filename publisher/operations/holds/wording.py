"""Words how many open routes a hold keeps. The terminal and the page show the same (R29)."""

from publisher.operations.holds.holds import Held, HeldByOthers
from publisher.operations.wording import names


def held_number(held: Held) -> str:
    """Words the number for a table: `17`, or `≥ 10,000` if there may be more."""
    return f"{'≥ ' if held.is_bound else ''}{held.count:,}"


def open_routes(held: Held) -> str:
    """Words the number for a sentence: `at least 10,000 open routes`."""
    return f"{'at least ' if held.is_bound else ''}{held.count:,} open route{'' if held.count == 1 else 's'}"


def may_go(found: HeldByOthers) -> str:
    """Words how many may go, and which holds keep the rest: `2 open routes may go, 2 are kept by hold 5`."""
    free = f"{open_routes(Held(found.free, found.held.is_bound))} may go"
    if not found.kept:
        return free
    others = names([str(number) for number in found.others])
    which = "hold" if len(found.others) == 1 else "holds"
    return f"{free}, {found.kept:,} {'is' if found.kept == 1 else 'are'} kept by {which} {others}"
