"""`publisher observability list` and `publisher observability show`."""

from typing import Annotated

import typer

from publisher.cli.completion import candidates
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.output import JsonFlag, print_json, print_table
from publisher.cli.terminal.standard_streams import expressible
from publisher.domain.errors import BadRequest
from publisher.domain.names import no_such
from publisher.observability.shelf import FILES, NAMES, read_watch_file

app = CommandApp(
    "Print what watches the service: a dashboard for Grafana, alert rules for Prometheus, and more.",
    example="publisher observability show alerts > alerts.yml\npublisher observability show dashboard > dashboard.json",
)


@app.callback()
def observability() -> None:
    """Print what watches the service: a dashboard for Grafana, alert rules for Prometheus, and more."""


@app.command("list", example="publisher observability list")
def list_files(json: JsonFlag = False) -> None:
    """List the files by the names under which they are shown."""
    if json:
        for each in FILES:
            print_json({"name": each.name, "file": each.file, "about": each.about})
    else:
        print_table("Files", ["name", "about"], [(each.name, each.about) for each in FILES], wrapping="about")


@app.command("show", example="publisher observability show alerts > alerts.yml")
def show(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help=f"The file: {', '.join(NAMES)}.", autocompletion=candidates.watch_files),
    ],
) -> None:
    """Print a file, as the program reads it for which it is made."""
    if name not in NAMES:
        raise BadRequest(no_such("file", name, NAMES))
    print(expressible(read_watch_file(name)), end="")
