"""`publisher mailer`: the commands of the mail service, each group in a module of its own."""

from publisher.cli import (
    mailer_bounces,
    mailer_check,
    mailer_event,
    mailer_held,
    mailer_preview,
    mailer_run,
    mailer_suppressions,
)
from publisher.cli.help import CommandApp

app = CommandApp(
    "The mail service: send, preview templates, read bounces, and list the addresses that nothing is sent to.",
    example="publisher mailer preview shop.invoice --locale de\npublisher mailer bounces --dry-run\n"
    "publisher mailer suppressions list",
)
app.command("run", example="publisher mailer run")(mailer_run.run)
app.command(
    "preview",
    example="publisher mailer preview shop.invoice --locale de --templates mail\n"
    "publisher mailer preview shop.invoice --variables payload.json\n"
    "publisher mailer preview shop.invoice --out /tmp/preview",
)(mailer_preview.preview)
app.command("check", example="publisher mailer check\npublisher mailer check --json")(mailer_check.check)
app.command(
    "bounces",
    example="publisher mailer bounces /var/mail/bounces --dry-run\npublisher mailer bounces --follow --interval 60",
)(mailer_bounces.bounces)
app.command(
    "event",
    example="publisher mailer event --from ses notification.json\n"
    "publisher mailer event --from postmark --json webhooks.jsonl",
)(mailer_event.event)
app.add_typer(mailer_held.app, name="held")
app.add_typer(mailer_suppressions.app, name="suppressions")


@app.callback()
def mailer() -> None:
    """The mail service: send, preview templates, read bounces, and list the addresses that nothing is sent to."""
