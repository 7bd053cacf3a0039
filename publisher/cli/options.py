"""Options that several commands take, each declared once."""

from typing import Annotated

import typer

ChannelOption = Annotated[str | None, typer.Option("--channel", help="Only those of this channel.")]
TypeOption = Annotated[str | None, typer.Option("--type", help="Only those of this notification type.")]
