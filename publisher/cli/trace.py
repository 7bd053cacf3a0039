"""`publisher trace`: its arguments. `trace_view` carries it out."""

from typing import Annotated

import typer

from publisher.cli.completion import candidates
from publisher.cli.options import RoutesOption
from publisher.cli.terminal.output import JsonFlag


def trace(
    id: Annotated[  # noqa: A002 - the argument's name
        str,
        typer.Argument(
            metavar="ID",
            autocompletion=candidates.ids,
            help="Any id that a command prints, such as a stream entry id or an idempotency key.",
        ),
    ],
    producer: Annotated[
        str | None,
        typer.Option(
            "--producer", metavar="NAME", help="Of an idempotency key that several producers use, this one's."
        ),
    ] = None,
    limit: RoutesOption = 20,
    json: JsonFlag = False,
) -> None:
    """Show the whole way of an intent: its entry, its notification, each route, each attempt, each command.

    Everything that has this id is shown. For an entry that became no notification, the reason is shown.
    """
    # Imported by a command that runs: to complete an id, at a key press, the arguments above are enough.
    from publisher.cli.trace_view import print_trace

    print_trace(id, producer, limit, json=json)
