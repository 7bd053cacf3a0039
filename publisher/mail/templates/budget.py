"""Bounds the work of rendering a template: loops, calls, filters and includes are counted, and end at a limit.

A producer's variables decide how often a loop runs, so a template that is harmless with a few rows can keep the mail
service busy for hours with a hundred thousand. One step is an element that a loop or a filter goes through, or a call.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

STEPS = 50_000
# The characters that a filter reads in the time of one step.
_CHARACTERS = 256
# The elements of a list that are compared in the time of one step.
_COMPARED = 64
_SIZED = (list, tuple, dict, range)


class BudgetExceeded(Exception):
    """The template has used up its steps. The text says of what there was too much."""


class _Budget:
    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = STEPS


_current: ContextVar[_Budget | None] = ContextVar("budget of the template that is being rendered", default=None)


@contextmanager
def budgeted() -> Iterator[None]:
    """Gives what is rendered inside a budget of its own."""
    token = _current.set(_Budget())
    try:
        yield
    finally:
        _current.reset(token)


def spend(steps: int) -> None:
    """Takes steps from the budget, if there is one. Raises BudgetExceeded when they are used up."""
    budget = _current.get()
    if budget is None:
        return
    budget.left -= steps
    if budget.left < 0:
        raise BudgetExceeded(f"it takes more than {STEPS:,} steps: a loop runs too often, or over too much")


def spend_on(value: object) -> None:
    """Takes one step, and as many as it takes to go through the value."""
    if isinstance(value, str):
        spend(1 + len(value) // _CHARACTERS)
    else:
        # An undefined variable has a length, too, which raises.
        spend(1 + len(value) if isinstance(value, _SIZED) else 1)


def measured(value: object) -> object:
    """Returns a value that becomes part of a text. Takes steps where it is long: it may be put there very often."""
    if isinstance(value, str) and len(value) >= _CHARACTERS:
        spend(len(value) // _CHARACTERS)
    return value


def searched(value: object) -> object:
    """Returns what an element is looked for in. Takes steps where it is long: each element is compared."""
    if isinstance(value, (list, tuple)) and len(value) >= _COMPARED:
        spend(len(value) // _COMPARED)
    return measured(value)


def counted(iterable: Iterable[object]) -> Iterable[object]:
    """Returns what a loop goes through, its steps taken: at once where their number is known, else one by one."""
    if isinstance(iterable, _SIZED):
        spend(1 + len(iterable))
        return iterable
    return _each_counted(iterable)


def _each_counted(iterable: Iterable[object]) -> Iterator[object]:
    for each in iterable:
        spend(1)
        yield each


def bounded(pieces: Iterable[str], longest: int) -> Iterator[str]:
    """Yields the pieces of a text. Raises BudgetExceeded once they have more characters than `longest`."""
    left = longest
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise BudgetExceeded(f"it makes more than {longest:,} characters")
        yield piece
