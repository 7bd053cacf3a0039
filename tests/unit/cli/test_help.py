"""The help of every command, at the widths that terminals have."""

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import typer

from publisher.cli.app import app, run
from publisher.cli.terminal.help import metavar
from tests.acceptance.command_tree import commands, leaves

GROUP: Any = typer.main.get_command(app)


def command_of(name: str) -> tuple[Any, Any]:
    """A command and its context."""
    command, context = GROUP, GROUP.make_context("publisher", [], resilient_parsing=True)
    for word in name.split():
        command = command.get_command(context, word)
        context = command.make_context(word, [], parent=context, resilient_parsing=True)
    return command, context


def help_of(name: str, width: int) -> list[str]:
    """The lines of a command's help on a terminal that is this wide."""
    command, context = command_of(name)
    context.terminal_width = width
    return str(command.get_help(context)).splitlines()


def examples_of(name: str) -> list[str]:
    """The lines under `Examples`."""
    lines = help_of(name, 80)
    if "Examples:" not in lines:
        return []
    after = lines[lines.index("Examples:") + 1 :]
    return [line.strip() for line in after[: after.index("") if "" in after else None]]


def spoken(name: str) -> Iterator[list[str]]:
    """The command lines of `publisher` in the examples, in words."""
    for line in examples_of(name):
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
        lexer.whitespace_split = True
        words = list(lexer)
        start = 0
        for n, word in enumerate([*words, "&&"]):
            if set(word) <= set("&|;<>"):
                if words[start:n][:1] == ["publisher"]:
                    yield words[start + 1 : n]
                start = n + 1


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("name", commands(), ids=lambda name: name or "publisher")
def test_help_fits_the_terminal(name: str, width: int) -> None:
    """No line but an example is wider than the terminal, and no word is broken to fit."""
    examples = examples_of(name)
    wide = help_of(name, 10_000)
    words = {word for line in wide for word in line.split()}

    for line in help_of(name, width):
        assert len(line) <= width or line.strip() in examples
        assert set(line.split()) <= words


@pytest.mark.parametrize("name", commands(), ids=lambda name: name or "publisher")
def test_help_names_values_by_words(name: str) -> None:
    """A value is `--limit NUMBER`: nobody must know Python's types, and a flag takes none."""
    for parameter in command_of(name)[0].params:
        value = "" if getattr(parameter, "is_flag", False) else f" {metavar(parameter)}"
        assert re.fullmatch(r"(| [A-Z_|-]+)", value), parameter.name
        if parameter.opts[0].startswith("--"):
            assert any(re.match(rf".*{parameter.opts[0]}{re.escape(value)}(  |$)", line) for line in help_of(name, 80))


@pytest.mark.parametrize("name", commands(), ids=lambda name: name or "publisher")
def test_each_command_has_an_example_that_is_accepted(name: str) -> None:
    """Under its help stands a command line of this command, or of one in this group. It is pasted from one line."""
    assert [line for line in help_of(name, 80) if line.strip() in examples_of(name) and len(line) > 80] == []
    assert any(words[: len(name.split())] == name.split() for words in spoken(name))
    for words in spoken(name):
        command, context, rest = GROUP, command_of("")[1], words
        with suppress(typer.Exit):  # `--help`
            while hasattr(command, "commands"):
                command = command.get_command(context, rest[0])
                context, rest = command.make_context(rest[0], rest[1:], parent=context), rest[1:]


@pytest.mark.parametrize("name", commands(), ids=lambda name: name or "publisher")
def test_the_usage_line_names_arguments_as_the_help_does(name: str) -> None:
    """`Usage: publisher explain [OPTIONS] ID [ROUTE_ID]`: square brackets for what can be left out, and none else."""
    command, _ = command_of(name)
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = [metavar(p) if p.required else f"[{metavar(p)}]" for p in arguments]
    group = "COMMAND [ARGS]..." if hasattr(command, "commands") else ""

    assert help_of(name, 200)[0] == " ".join(filter(None, ["Usage: publisher", name, "[OPTIONS]", *words, group]))


@pytest.mark.parametrize("name", [name for name in commands() if name not in leaves()])
def test_a_group_alone_shows_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`publisher dead-letters` names its commands line by line on standard error, and ends with exit code 2."""
    code = run(name.split())

    shown = capsys.readouterr()
    assert (code, shown.out) == (2, "")
    assert shown.err.startswith(f"Usage: publisher {name}".strip())
    assert "\nCommands:\n" in shown.err
