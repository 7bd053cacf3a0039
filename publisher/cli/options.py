"""Options that several commands take, each declared once."""

from typing import Annotated

import typer

from publisher.cli import candidates

ChannelOption = Annotated[
    str | None, typer.Option("--channel", autocompletion=candidates.channels, help="Only those of this channel.")
]
TypeOption = Annotated[
    str | None, typer.Option("--type", autocompletion=candidates.types, help="Only those of this notification type.")
]
