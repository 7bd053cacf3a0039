"""The words of `publisher demo`: what was sent, where the routes stand, a command of each stream, and an email."""

from rich.text import Text

from publisher.cli.demo.run import DemoResult
from publisher.cli.terminal.layout import Hanging
from publisher.cli.terminal.output import print_json, print_layout, print_record, print_table, printable, say
from publisher.local.demo_mail import Mail, ShownMessage

_MOST_PROBLEMS = 20


def show(result: DemoResult) -> None:
    """Prints the result for a person."""
    print_layout(Hanging(Text(result.on_purpose)))
    print()
    print_table("Routes", ["channel", "status", "routes"], [[c, s, n] for (c, s), n in sorted(result.routes.items())])
    print()
    print_record(result.summary)
    for stream, command in result.commands.items():
        print()
        print(f"a command on {stream}")
        print_record(command)
    if result.mail is not None:
        _show_mail(result.mail)
    print()
    for problem in result.problems[:_MOST_PROBLEMS]:
        print(problem)
    if not result.problems:
        print("every route was published exactly once or ended as it had to")
        if result.mail is not None:
            is_here = result.mail.messages is not None
            print(f"every published email {'arrived' if is_here else 'was accepted by the SMTP server'} exactly once")


def show_json(result: DemoResult) -> None:
    """Prints the result as one object."""
    routes = [
        {"channel": channel, "status": status, "routes": count}
        for (channel, status), count in sorted(result.routes.items())
    ]
    print_json(
        {
            **result.summary,
            "by_status": routes,
            "problems": result.problems,
            "commands": result.commands,
            "mail": None if result.mail is None else _mail_fields(result.mail),
        }
    )


def _show_mail(mail: Mail) -> None:
    print()
    counts = {"emails that were accepted": sum(mail.accepted.values())}
    if mail.messages is not None:
        counts["messages in the mailbox"] = sum(mail.messages.values())
    print_record(counts)
    if mail.shown is not None:
        print()
        print("one of these messages, without its HTML part")
        _show_message(mail.shown)


def _show_message(message: ShownMessage) -> None:
    for name, value in message.header.items():
        say(printable(f"{name}: {value}"), indent=2)
    print()
    for line in message.text.rstrip().splitlines():
        say(printable(line), indent=2)


def _mail_fields(mail: Mail) -> dict[str, object]:
    """accepted: events. messages: in the mailbox; None: another server has them. sample: one of these."""
    return {
        "accepted": sum(mail.accepted.values()),
        "messages": None if mail.messages is None else sum(mail.messages.values()),
        "sample": None if mail.shown is None else {**mail.shown.header, "text": mail.shown.text},
    }
