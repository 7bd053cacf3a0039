"""`publisher mailer`: the commands of the mail service, each group in a module of its own."""

from publisher.cli import mailer_suppressions
from publisher.cli.help import CommandApp

app = CommandApp(
    "The mail service: read bounces, and list the addresses that nothing is sent to.",
    example="publisher mailer suppressions list",
)
app.add_typer(mailer_suppressions.app, name="suppressions")


@app.callback()
def mailer() -> None:
    """The mail service: read bounces, and list the addresses that nothing is sent to."""
