"""The sandbox in which templates run: Jinja's own, with a bound on work, and without chance.

A template reads its variables and the templates of its folder, and nothing else. A member of a variable comes before
Python's methods: `order.items` is what the producer sent.
"""

from collections.abc import Callable, Iterator, MutableMapping
from functools import wraps
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, nodes
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from publisher.mail.templates.budget import counted, measured, searched, spend, spend_on
from publisher.mail.templates.growth import check_call, check_format, check_format_in_braces, check_power, check_product

_COUNTED, _MEASURED, _SEARCHED = "counted", "measured", "searched"
# Methods that make much of little, and that no message needs.
_REFUSED = {"translate", "maketrans", "to_bytes"}


class MailSandbox(ImmutableSandboxedEnvironment):
    """Compiles the templates of a folder. Those whose name ends in `.html` escape every variable."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

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
            # What stands in a macro or a block is collected before it is put out.
            finalize=measured,
        )
        # By chance; the same command must make the same bytes.
        del self.globals["lipsum"], self.filters["random"]
        self.filters = {name: _counting(name, each) for name, each in self.filters.items()}
        self.filters |= {_COUNTED: counted, _MEASURED: measured, _SEARCHED: searched}

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        # Jinja's hook into compilation.
        for loop in source.find_all(nodes.For):
            loop.iter = _filtered(loop.iter, _COUNTED)
        for concat in source.find_all(nodes.Concat):
            concat.nodes = [_filtered(each, _MEASURED) for each in concat.nodes]
        for operand in source.find_all(nodes.Operand):
            if operand.op in {"in", "notin"}:
                operand.expr = _filtered(operand.expr, _SEARCHED)
        return super()._generate(source, name, filename, defer_init)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """The names that every template knows. One dict for all: Jinja copies it for each rendering."""
        return {**self.globals, **d} if d else self.globals

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a function, a macro or a method; a recursive loop is counted by what it goes through."""
        if isinstance(function, LoopContext) and args:
            spend_on(args[0])
        else:
            value = getattr(function, "__self__", None)
            spend_on(value if isinstance(value, str) else None)
            check_call(getattr(function, "__name__", ""), value, [*args, *kwargs.values()])
        return super().call(context, function, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Adds, multiplies, raises to a power, or formats, within bounds."""
        if operator == "%":
            check_format(left)
        elif operator == "**":
            check_power(left, right)
        elif operator == "*":
            check_product(left, right)
        else:
            spend_on(left)
            spend_on(right)
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may have this attribute or method."""
        return attr not in _REFUSED and super().is_safe_attribute(obj, attr, value)

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
            check_format_in_braces(value.__self__)
        return wrapped

    def get_template(self, *args: Any, **kwargs: Any) -> Any:
        """Loads a template, and counts it: an include within an include may come back to itself."""
        spend(1)
        return super().get_template(*args, **kwargs)

    def select_template(self, *args: Any, **kwargs: Any) -> Any:
        """Loads the first template that is there, and counts it."""
        spend(1)
        return super().select_template(*args, **kwargs)


def _filtered(expression: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(expression, name, [], [], None, None, lineno=expression.lineno)


def _counting(name: str, each: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the filter with its steps counted. Jinja passes some a context before the value."""
    place = 1 if hasattr(each, "jinja_pass_arg") else 0

    @wraps(each)
    def counting(*args: Any, **kwargs: Any) -> Any:
        before, value, after = args[:place], args[place], args[place + 1 :]
        spend_on(value)
        if isinstance(value, Iterator):
            value = counted(value)
            if name == "join":
                value = list(value)
        if name == "format":
            check_format(value)
        check_call(name, value, [*after, *kwargs.values()])
        return each(*before, value, *after, **kwargs)

    return counting
