"""Options and arguments that several commands take, each declared once."""

from typing import Annotated

import typer

from publisher.cli.completion import candidates
from publisher.domain.answer import AnswerIs
from publisher.domain.delivery_event import Fault

# What names a recipient, for the help of an option. A user's address names no route: his routes are those of the user.
RECIPIENT = "user:ID, whatever the user's address; address:EMAIL is one of audience admin_email alone"

ChannelOption = Annotated[
    str | None, typer.Option("--channel", autocompletion=candidates.channels, help="Only those of this channel.")
]
TypeOption = Annotated[
    str | None, typer.Option("--type", autocompletion=candidates.types, help="Only those of this notification type.")
]
ProducerOption = Annotated[str | None, typer.Option("--producer", metavar="NAME", help="Only those of this producer.")]
RecipientOption = Annotated[
    str | None,
    typer.Option("--recipient", metavar="RECIPIENT", help=f"Only those to this one: {RECIPIENT}."),
]
AnswerOption = Annotated[
    AnswerIs | None,
    typer.Option("--answer", help="Only those with this answer; none: published, and nobody has answered."),
]
FaultOption = Annotated[
    Fault | None, typer.Option("--fault", help="Only those whose answer says that this was at fault.")
]
RoutesOption = Annotated[
    int, typer.Option("--limit", metavar="NUMBER", min=1, max=10_000, help="At most this many routes of each.")
]
AnyId = Annotated[
    str, typer.Argument(metavar="ID", autocompletion=candidates.ids, help="Any id that a command prints.")
]
OptionalId = Annotated[
    str | None, typer.Argument(metavar="ID", autocompletion=candidates.ids, help="Any id that a command prints.")
]
RouteId = Annotated[
    str | None, typer.Argument(autocompletion=candidates.route_ids, help="A route id, such as email:user:7.")
]
