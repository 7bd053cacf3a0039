"""Every command of `publisher`, read from the application itself: a new one is tested without being listed."""

from collections.abc import Iterator
from typing import Any

import typer

from publisher.cli.app import app

# Started for ever, or bringing servers of their own.
LONG_RUNNING = {"demo", "up", "intake", "scheduler run", "mailer run", "web"}


def commands() -> list[str]:
    """Every command and group as it is typed, `""` for `publisher` alone."""
    return [name for name, _ in _walk()]


def leaves() -> dict[str, list[str]]:
    """Every command that does something, and what it must be given: names of arguments, and options."""
    return {
        name: [p.name if p.param_type_name == "argument" else p.opts[0] for p in command.params if p.required]
        for name, command in _walk()
        if not hasattr(command, "commands")
    }


def has_json(name: str) -> bool:
    """True if the command has `--json`."""
    return any("--json" in p.opts for found, command in _walk() if found == name for p in command.params)


def _walk() -> Iterator[tuple[str, Any]]:
    waiting = [("", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop(0)
        yield name, command
        subcommands = getattr(command, "commands", {})
        waiting += [(f"{name} {sub}".strip(), found) for sub, found in subcommands.items()]
