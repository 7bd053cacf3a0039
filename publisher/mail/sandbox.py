"""The sandbox in which templates run: Jinja's own, with a bound on work, and without chance.

A template reads its variables and the templates of its folder, and nothing else. A member of a variable comes before
Python's methods: `order.items` is what the producer sent.
"""

import re
from collections.abc import Callable, MutableMapping
from functools import wraps
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, nodes
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from publisher.mail.budget import BudgetExceeded, counted, spend, spend_on

# What one expression may make: a longer text or list, or a larger number, is a mistake or an attack.
_LONGEST = 2 * 1024 * 1024
_MOST_BITS = 10_000
# Methods of texts and filters that make a text as wide as a number says.
_WIDENING = {"center", "ljust", "rjust", "zfill", "expandtabs", "indent", "wordwrap"}
# A format that asks for ten thousand characters or more, or lets a variable say how many.
_WIDE = re.compile(r"%[-+ #0]*(?:\([^)]*\))?[-+ #0]*(?:\d{5}|\*|\d*\.(?:\d{5}|\*))")
_WIDE_IN_BRACES = re.compile(r":[^{}]*(?:\d{5}|\{)")
_COUNTED = "counted"


class MailSandbox(ImmutableSandboxedEnvironment):
    """Compiles the templates of a folder. Those whose name ends in `.html` escape every variable."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, folder: Path) -> None:
        super().__init__(
            loader=FileSystemLoader(folder, followlinks=True),
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html"),
            # A tag that stands alone on its line leaves no empty line in a text.
            trim_blocks=True,
            lstrip_blocks=True,
            # Whoever holds this compiles anew when a file changes.
            auto_reload=False,
            cache_size=-1,
        )
        # By chance; the same command must make the same bytes.
        del self.globals["lipsum"], self.filters["random"]
        self.filters = {name: _counting(name, each) for name, each in self.filters.items()} | {_COUNTED: counted}

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        # Jinja's hook into compilation.
        for loop in source.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
        return super()._generate(source, name, filename, defer_init)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """The names that every template knows. One dict for all: Jinja copies it for each rendering."""
        return {**self.globals, **d} if d else self.globals

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a function, a macro or a method; a recursive loop is counted by what it goes through."""
        if isinstance(function, LoopContext) and args:
            spend_on(args[0])
        else:
            _spend_on_width(getattr(function, "__name__", ""), args)
        return super().call(context, function, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiplies, raises to a power, or formats, within bounds."""
        if operator == "%":
            _check_format(left, _WIDE)
        elif operator == "**":
            _check_bits(_bits(left) * (abs(right) if isinstance(right, int) else 1))
        elif isinstance(left, int) and isinstance(right, int):
            _check_bits(_bits(left) + _bits(right))
        else:
            _check_length(left, right)
            _check_length(right, left)
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any | Undefined:
        """The member of an object, or else a method or an attribute that the sandbox allows."""
        # Of what JSON has, an object alone has members.
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Returns the method `format` of a text within the sandbox, or None if the value is another one."""
        wrapped = super().wrap_str_format(value)
        if wrapped is not None:
            _check_format(value.__self__, _WIDE_IN_BRACES)
        return wrapped

    def get_template(self, *args: Any, **kwargs: Any) -> Any:
        """Loads a template, and counts it: an include within an include may come back to itself."""
        spend(1)
        return super().get_template(*args, **kwargs)

    def select_template(self, *args: Any, **kwargs: Any) -> Any:
        """Loads the first template that is there, and counts it."""
        spend(1)
        return super().select_template(*args, **kwargs)


def _counting(name: str, each: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the filter with its steps counted. Jinja passes some a context before the value."""
    place = 1 if hasattr(each, "jinja_pass_arg") else 0

    @wraps(each)
    def counting(*args: Any, **kwargs: Any) -> Any:
        spend_on(args[place])
        if name == "format":
            _check_format(args[place], _WIDE)
        _spend_on_width(name, [*args[place + 1 :], *kwargs.values()])
        return each(*args, **kwargs)

    return counting


def _spend_on_width(name: str, args: Any) -> None:
    spend(1 + sum(max(0, each) for each in args if isinstance(each, int)) if name in _WIDENING else 1)


def _bits(number: Any) -> int:
    return number.bit_length() if isinstance(number, int) else 1


def _check_bits(bits: int) -> None:
    if bits > _MOST_BITS:
        raise BudgetExceeded("it computes a number that is too large")


def _check_length(sequence: Any, times: Any) -> None:
    if isinstance(times, int) and isinstance(sequence, (str, list, tuple)) and len(sequence) * times > _LONGEST:
        raise BudgetExceeded("it repeats a text or a list too often")


def _check_format(text: Any, wide: re.Pattern[str]) -> None:
    if isinstance(text, str) and wide.search(text):
        raise BudgetExceeded("it formats a value to a width that is too large, or that a variable says")
