"""Runs a command line of `publisher`: parses it, calls the command, and turns an error into a line and an exit code."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from publisher.cli.commands import CommandGroup
from publisher.cli.completion import answers as completion
from publisher.cli.completion.setup import InstallFlag, ShowFlag
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.output import Declined, one_line, say, say_command
from publisher.cli.terminal.standard_streams import drop_output
from publisher.cli.usage import usage_message
from publisher.domain.errors import BadRequest, PublisherError, SettingsError, StreamLost
from publisher.operations.ids.choice import Choice

app = CommandApp(
    "Takes notification intents off a Redis stream and publishes each due route as a command, once.",
    cls=CommandGroup,
    name="publisher",
    add_completion=False,
    example="publisher demo\npublisher status --watch\npublisher explain --help",
)


def _print_version(context: typer.Context, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        # Not needed by the help: all together they take as long as Typer.
        import platform
        from importlib.metadata import version

        print(f"publisher {version('notification-publisher')}, Python {platform.python_version()}")
        raise typer.Exit


@app.callback()
def publisher(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and exit.")
    ] = False,
    install_completion: InstallFlag = False,
    show_completion: ShowFlag = False,
) -> None:
    """Does nothing before a command. Typer makes a group of an application that has this."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command line. Returns its exit code: 0, 1 for a failure, 2 for bad usage or settings."""
    try:
        if completion.VARIABLE in os.environ:
            return completion.answer(lambda: _run(arguments))
        code = _run(arguments)
        # What is still to be written is this command's matter: the interpreter would only say that it failed.
        sys.stdout.flush()
    except StreamLost as error:
        drop_output()
        return _say(str(error), 1)
    except BrokenPipeError:
        # Whoever read the output has had enough of it: say nothing.
        drop_output()
        return 1
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        code = app([_text(argument) for argument in arguments], prog_name="publisher", standalone_mode=False)
    except typer.TyperException as error:
        return _say(usage_message(error), error.exit_code)
    except Choice as choice:
        code = _say(choice.text, 2)
        for line, about in choice.lines:
            say_command(line, sys.stderr, indent=2)
            say(one_line(about), sys.stderr, indent=4)
        return code
    except (SettingsError, BadRequest) as error:
        return _say(str(error), 2)
    except StreamLost:
        raise
    except PublisherError as error:
        return _say(str(error), 1)
    except Declined:
        return _say("nothing was changed", 1)
    except (typer.Abort, KeyboardInterrupt):
        return _say("interrupted", 130)
    return code if isinstance(code, int) else 0


def _text(argument: str) -> str:
    """The argument as it was typed: where the locale is not UTF-8, Python keeps its bytes as halves of characters."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(argument).decode()
        except UnicodeDecodeError as error:
            raise BadRequest(f"{argument!r} is not UTF-8: {error.reason}") from error
    return argument


def _say(message: str, code: int) -> int:
    if message:
        say(f"publisher: {one_line(message)}", sys.stderr)
    return code
