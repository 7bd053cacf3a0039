"""The examples of README and guides: commands that exist, intents that are accepted, a channel that encodes."""

import re
import shlex
from collections.abc import Iterator
from itertools import groupby

import pytest
import typer

from publisher.channels.registry import discover_channels
from publisher.cli.app import app
from publisher.domain.channel import Channel
from publisher.domain.intent import Intent
from publisher.domain.intent_json import WrittenIntent, intent_of_line
from publisher.domain.intent_parsing import parse_intent
from tests.factories import notification, route
from tests.guide_blocks import GUIDES, ROOT

_COMMENT = re.compile(r"\s+# .*$", re.MULTILINE)


def blocks(language: str, text: str) -> list[str]:
    """The code blocks of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def command_lines() -> Iterator[tuple[str, ...]]:
    """Every `publisher …` in a block for the shell, as words after the program's name."""
    for document in [ROOT / "README.md", *sorted(GUIDES.glob("*.md"))]:
        for block in blocks("sh", document.read_text()):
            words = shlex.shlex(_COMMENT.sub("", block), posix=True, punctuation_chars="|&>\n")
            words.whitespace, words.whitespace_split = " \t", True
            for is_between, command in groupby(words, lambda word: set(word) <= set("|&>\n")):
                program, *arguments = command
                if not is_between and program.rpartition("/")[2] == "publisher":
                    yield tuple(arguments)


@pytest.mark.parametrize("arguments", sorted(set(command_lines())), ids=" ".join)
def test_a_command_of_an_example_exists(arguments: tuple[str, ...]) -> None:
    """Its arguments and options are understood; nothing is run."""
    command, rest = typer.main.get_command(app), list(arguments)
    while isinstance(command, typer.core.TyperGroup):
        name = rest.pop(0)
        command = command.get_command(command.make_context("publisher", [], resilient_parsing=True), name)
        assert command is not None, f"there is no command {name!r}"

    assert command.make_context(command.name, rest).args == []


def test_the_intents_of_the_examples_are_accepted() -> None:
    """What a producer copies from the guide is an intent: by XADD, and as a line of a file (R19)."""
    shell = blocks("sh", (GUIDES / "producers.md").read_text())
    words = shlex.split(shell[0].replace("\\\n", " "))[4:]
    fields = list(zip(words[::2], words[1::2], strict=True))
    line = shlex.split(shell[-1])[1].replace("\n", "")

    sent = [shlex.split(each.replace("\\\n", " "))[-1] for each in shell if "/v1/intents" in each]

    assert isinstance(parse_intent([(k.encode(), v.encode()) for k, v in fields], {"email", "push"}), Intent)
    assert isinstance(intent_of_line(line.encode(), discover_channels()), WrittenIntent)
    # Over HTTP the producer is the token's.
    whole = sent[0].replace("{", '{"producer": "game-service", ', 1)
    assert isinstance(intent_of_line(whole.encode(), discover_channels()), WrittenIntent)


def test_the_channel_of_the_example_encodes() -> None:
    """The module of the guide can be copied: its object is a channel, and its encoder makes a command (R24)."""
    names: dict[str, object] = {}
    exec(blocks("python", (GUIDES / "channels.md").read_text())[0], names)  # noqa: S102
    (channel,) = [value for value in names.values() if isinstance(value, Channel)]

    command = channel.command(notification(payload='{"turn": 17}'), route(channel="sms", route_id="sms:user:7"))
    assert dict(command.fields)["data"] == '{"turn": 17}'
    assert channel.name == "sms"
