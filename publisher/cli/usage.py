"""Words what is wrong with a command line: which option or argument, its value, and the values that are allowed."""

from typing import Any

import typer

from publisher.cli.help import choices, metavar
from publisher.domain.names import near_names


def usage_message(error: typer.TyperException) -> str:
    """Returns the message of an error of the parser.

    A value that is not allowed is shown with its option or argument, the allowed values, and the nearest of those.
    """
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
