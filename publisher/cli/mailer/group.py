"""`publisher mailer`: the commands of the mail service, each group in a module of its own."""

from publisher.cli.mailer import bounces, check, event, held, preview, run, suppressions
from publisher.cli.terminal.help import CommandApp

app = CommandApp(
    "The mail service: send, preview templates, read bounces, and list the addresses that nothing is sent to.",
    example="publisher mailer preview shop.invoice --locale de\npublisher mailer bounces --dry-run\n"
    "publisher mailer suppressions list",
)
app.command("run", example="publisher mailer run")(run.run)
app.command(
    "preview",
    example="publisher mailer preview shop.invoice --locale de --templates mail\n"
    "publisher mailer preview shop.invoice --variables payload.json\n"
    "publisher mailer preview shop.invoice --out /tmp/preview",
)(preview.preview)
app.command("check", example="publisher mailer check\npublisher mailer check --json")(check.check)
app.command(
    "bounces",
    example="publisher mailer bounces /var/mail/bounces --dry-run\npublisher mailer bounces --follow --interval 60",
)(bounces.bounces)
app.command(
    "event",
    example="publisher mailer event --from ses notification.json\n"
    "publisher mailer event --from postmark --json webhooks.jsonl",
)(event.event)
app.add_typer(held.app, name="held")
app.add_typer(suppressions.app, name="suppressions")


@app.callback()
def mailer() -> None:
    """The mail service: send, preview templates, read bounces, and list the addresses that nothing is sent to."""
