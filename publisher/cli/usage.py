"""Words what is wrong with a command line: which option or argument, its value, and the values that are allowed.

Only a name that is spelled nearly so is offered instead of a wrong one.
"""

from typing import Any

import typer

from publisher.cli.commands import ENTRIES
from publisher.cli.terminal.help import Group, NoSuchCommand, choices, metavar
from publisher.domain.names import near_names

# What people try -> the command that does it.
_TRIED = {"edit": "malformed resubmit", "retry": "dead-letters requeue"}


def usage_message(error: typer.TyperException) -> str:
    """Returns the message of an error of the parser.

    A value that is not allowed is shown with its option or argument, the allowed values, and the nearest of those. A
    command or option that does not exist is shown with the one that was meant, if one is near.
    """
    if isinstance(error, NoSuchCommand):
        return f"there is no command {error.name!r} of '{error.path}'{_meant_command(error)}"
    # Of the parser's errors only that of an unknown option has this.
    if hasattr(error, "possibilities"):
        return _no_option(error)
    parameter: Any = getattr(error, "param", None)
    if not isinstance(error, typer.BadParameter) or parameter is None or not error.message:
        return error.format_message()
    name = metavar(parameter) if parameter.param_type_name == "argument" else max(parameter.opts, key=len)
    refused = getattr(error.__cause__, "errors", None)
    if refused is None:
        # The message of a reader of ours, which shows the value.
        return f"{name}: {error.message}"
    value = str(refused()[0]["input"])
    allowed = choices(parameter)
    if not allowed:
        return f"{name} must be {_number(parameter)}, not {value!r}"
    near = near_names(value, allowed)
    meant = f"did you mean {near[0]!r}? It" if near else "it"
    return f"{name} cannot be {value!r}: {meant} is one of {', '.join(allowed)}"


def _number(parameter: Any) -> str:
    number = "a whole number" if parameter.type_descriptor.annotation is int else "a number"
    least, most = parameter.min, parameter.max
    if least is None:
        return number
    return f"{number}, {least:,} or more" if most is None else f"{number} from {least:,} to {most:,}"


def _meant_command(error: NoSuchCommand) -> str:
    """Names the command of that group or of another one; nothing if none is near, or several are."""
    own = {name: f"{error.path} {name}" for name in error.known}
    every = [(name, f"publisher {group} {name}") for group, entry in ENTRIES.items() for name in entry.commands]
    elsewhere = {name: path for name, path in every if [each for each, _ in every].count(name) == 1}
    if error.name in _TRIED:
        return f"; did you mean 'publisher {_TRIED[error.name]}'?"
    for known in ({error.name: elsewhere[error.name]} if error.name in elsewhere else {}, own, elsewhere):
        if near := near_names(error.name, known):
            return f"; did you mean '{known[near[0]]}'?"
    return f": see '{error.path} --help'"


def _no_option(error: Any) -> str:
    name, context = error.option_name, error.ctx
    command: Any = context.command
    said = f"there is no option {name} of '{context.command_path}'"
    bare = {option.removeprefix("--"): option for option in _options(command) if option.startswith("--")}
    if name.startswith("--"):
        if near := near_names(name.removeprefix("--"), bare):
            return f"{said}; did you mean {bare[near[0]]}?"
        # Not of `publisher` itself, whose commands are imported one by one.
        if isinstance(command, Group) and context.parent is not None:
            having = [each for each, found in command.commands.items() if name in _options(found)]
            return f"{said}; did you mean '{context.command_path} {having[-1]} {name}'?" if having else said
    elif any(p.param_type_name == "argument" for p in command.params):
        return f"{said}; an id that begins with - is written behind --"
    return said


def _options(command: Any) -> list[str]:
    return [option for p in command.params if p.param_type_name == "option" for option in p.opts] + ["--help"]
