"""`publisher guide`."""

import sys
from typing import Annotated

import typer

from publisher.cli.completion import candidates
from publisher.cli.terminal.output import JsonFlag, console, print_json, print_table
from publisher.cli.terminal.standard_streams import expressible
from publisher.domain.errors import BadRequest
from publisher.domain.names import no_such
from publisher.guides.shelf import NAMES, read_guide

# Lines of prose are read with ease up to so many characters, however wide the terminal is.
_WIDTH = 100


def guide(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="The guide to read. Without it, all are listed.", autocompletion=candidates.guides
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Read a guide: what is promised, how to deploy and operate the service, and how it is built.

    On a terminal the guide is laid out; elsewhere its Markdown is printed as it is.
    """
    if name is None:
        _list(json)
        return
    if name not in NAMES:
        raise BadRequest(no_such("guide", name, NAMES))
    found = read_guide(name)
    if json:
        print_json({"name": found.name, "title": found.title, "about": found.about, "text": found.text})
    elif sys.stdout.isatty():
        _lay_out(expressible(found.text))
    else:
        print(expressible(found.text), end="")


def _list(json: bool) -> None:
    guides = [read_guide(name) for name in NAMES]
    if json:
        for each in guides:
            print_json({"name": each.name, "title": each.title, "about": each.about})
    else:
        print_table("Guides", ["name", "about"], [(each.name, each.about) for each in guides], wrapping="about")


def _lay_out(text: str) -> None:
    from publisher.cli.terminal.guide_layout import GuideMarkdown

    terminal = console()
    terminal.print(GuideMarkdown(text, hyperlinks=False), width=min(_WIDTH, terminal.width), crop=False)
