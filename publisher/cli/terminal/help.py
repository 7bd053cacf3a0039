"""Lays out the help of every command: plain text that is wrapped between words at any width, and examples to paste.

A column of names, prose beside it. An example is one line, however wide: the terminal continues it by itself.
"""

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

# A name in a list that is longer stands on a line of its own.
_LONGEST = 24


class NoSuchCommand(typer.TyperException):
    """A group has no command of this name.

    path: the group as it is typed, such as `publisher malformed`.
    known: the names of its commands.
    """

    exit_code = 2

    def __init__(self, name: str, path: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no command {name!r}")
        self.name, self.path, self.known = name, path, known


class _Help:
    """The parts of a command's help. epilog: example lines, one each."""

    help: str | None
    epilog: str | None
    options_metavar: str | None

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Returns the words of the usage line behind the command: `[OPTIONS] ID [ROUTE_ID]`, as the help names them."""
        command: Any = self
        arguments = [_names(p) for p in command.get_params(ctx) if p.param_type_name == "argument"]
        subcommand = getattr(self, "subcommand_metavar", None)
        return [word for word in [self.options_metavar, *arguments, subcommand] if word]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Shows the paragraphs of the command's help."""
        del ctx
        _format_prose(self.help, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Shows the examples, no line broken."""
        del ctx
        _format_examples(self.epilog, formatter)


class Command(_Help, TyperCommand):
    """A command whose help is shown so."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Shows arguments and options, each with the word for its value."""
        _format_parameters(self, ctx, formatter)


class Group(_Help, TyperGroup):
    """A group of commands whose help is shown so."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the words behind the group's name. Without any it shows the help on standard error, exit code 2."""
        if not args and not ctx.resilient_parsing:
            print(ctx.get_help(), file=sys.stderr)
            raise typer.Exit(2)
        return list(super().parse_args(ctx, args))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Finds the command of a command line. Raises NoSuchCommand."""
        if not ctx.resilient_parsing and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise NoSuchCommand(args[0], ctx.command_path, self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Shows the options, and below them each command with the whole first paragraph of its help."""
        _format_parameters(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Shows each command with the whole first paragraph of its help."""
        named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, (command.help or "").split("\n\n")[0]) for name, command in named if command and not command.hidden
        ]
        _section(formatter, "Commands", rows)


class CommandApp(typer.Typer):
    """A `typer.Typer` whose group and commands show their help so.

    about: its line in the list of commands.
    example: lines that show the use of the group.
    """

    def __init__(self, about: str, example: str | None = None, cls: type[TyperGroup] = Group, **more: Any) -> None:
        super().__init__(help=about, epilog=example, cls=cls, rich_markup_mode=None, **more)

    def command(self, name: str | None = None, *, example: str = "", **more: Any) -> Callable[[Any], Any]:
        """Adds a command, as `typer.Typer.command` does. example: lines that show its use."""
        return super().command(name, cls=Command, epilog=example, **more)


def _format_parameters(command: TyperCommand | TyperGroup, ctx: Any, formatter: Any) -> None:
    shown = [p for p in command.get_params(ctx) if not getattr(p, "hidden", False)]
    for title, kind in [("Arguments", "argument"), ("Options", "option")]:
        _section(formatter, title, [(_names(p), _about(p)) for p in shown if p.param_type_name == kind])


def _names(parameter: Any) -> str:
    """Returns `-y, --yes` for a flag, `--limit NUMBER` for an option with a value, `[ID]` for an argument."""
    word = metavar(parameter)
    if parameter.param_type_name == "argument":
        return word if parameter.required else f"[{word}]"
    names = ", ".join(sorted(parameter.opts, key=len))
    return names if parameter.is_flag else f"{names} {word}"


def metavar(parameter: Any) -> str:
    """Returns the word that stands for the value of an argument or option."""
    return str(parameter.metavar or parameter.name.upper())


def choices(parameter: Any) -> list[str]:
    """Returns the only values that an argument or option takes; none if it takes others, too."""
    allowed: Iterable[Any] | None = parameter.type_descriptor.choices
    return [str(getattr(choice, "value", choice)) for choice in allowed or ()]


def _about(parameter: Any) -> str:
    allowed = ", ".join(choices(parameter))
    said = [
        parameter.help or "",
        f"One of {allowed}." if allowed else "",
        _range(parameter.min, parameter.max),
        "Must be given." if parameter.required and parameter.param_type_name == "option" else "",
        _default(parameter),
    ]
    return " ".join(filter(None, said))


def _range(least: float | None, most: float | None) -> str:
    if least is None:
        return ""
    return f"At least {least:,}." if most is None else f"From {least:,} to {most:,}."


def _default(parameter: Any) -> str:
    default = parameter.default
    if default in (None, "") or isinstance(default, bool) or callable(default) or not parameter.show_default:
        return ""
    return f"Default: {default:,}." if isinstance(default, int | float) else f"Default: {default}."


def _section(formatter: Any, title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Writes a list of names, each with its prose beside it, or below it where the name is too long."""
    if not rows:
        return
    with formatter.section(title):
        column = formatter.current_indent + min(_LONGEST, max(len(name) for name, _ in rows)) + 2
        for name, about in rows:
            head = f"{'':{formatter.current_indent}}{name}"
            lines = _wrapped(about, formatter.width - column)
            if len(head) + 2 > column or not lines:
                lines = ["", *lines]
            for n, line in enumerate(lines):
                formatter.write(f"{head if n == 0 else '':{column}}{line}".rstrip() + "\n")


def _format_prose(text: str | None, formatter: Any) -> None:
    for paragraph in inspect.cleandoc(text or "").split("\n\n"):
        formatter.write_paragraph()
        with formatter.indentation():
            for line in _wrapped(paragraph, formatter.width - formatter.current_indent):
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def _wrapped(text: str, width: int) -> list[str]:
    """Breaks between words alone: dead-letters and --dry-run are words."""
    return textwrap.wrap(text, max(width, 1), break_on_hyphens=False, break_long_words=False)


def _format_examples(lines: str | None, formatter: Any) -> None:
    if lines:
        with formatter.section("Examples"):
            for line in lines.splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
