"""Lists the commands of `publisher`, and imports a command's module when the command is first used.

So `publisher --help` imports none of them: no driver, no model, no actor.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer

from publisher.cli.completion.setup import WORDS
from publisher.cli.terminal.help import Command, CommandApp, Group


@dataclass(frozen=True, slots=True)
class Entry:
    """A command or a group of commands.

    place: its module in `publisher.cli`, and the function or `typer.Typer` there.
    help: the first line of its own help, so that the list can be shown without its module.
    example: the lines that show its use, under its help.
    commands: the names of a group's commands, so that a shell completes them without its module.
    """

    place: str
    help: str
    example: str = ""
    commands: tuple[str, ...] = ()


# In the order of the help. A test holds each line to the command's own.
ENTRIES: Mapping[str, Entry] = {
    "demo": Entry(
        "demo.demo:demo",
        "Watch intents become emails: start every process, send sample intents, check what comes out.",
        "publisher demo\npublisher demo --intents 500",
    ),
    "up": Entry("up:up", "Run every Procfile process on this machine until Ctrl-C.", "publisher up"),
    "migrate": Entry(
        "migrate:migrate", "Bring the database schema up to date.", "publisher migrate && publisher doctor"
    ),
    "intake": Entry(
        "intake:intake",
        "Take intents and delivery events off their streams into PostgreSQL, until SIGTERM or Ctrl-C.",
        "publisher intake",
    ),
    "web": Entry(
        "web:web",
        "Serve the page, and the door for intents and delivery events over HTTP, until SIGTERM or Ctrl-C.",
        "publisher web\nPORT=8080 publisher web",
    ),
    "doctor": Entry(
        "doctor:doctor",
        "Check settings, PostgreSQL, Redis and SMTP server, and say what to do about what is wrong.",
        "publisher doctor\npublisher doctor --json\npublisher doctor --print-grants --role app",
    ),
    "status": Entry(
        "status:status",
        "Show how many routes have each status and how many are due, who reads the commands, and which processes run.",
        "publisher status\npublisher status --watch --interval 5",
    ),
    "explain": Entry(
        "explain:explain",
        "Say why a route is where it is, what happens next and when, and what happened so far.",
        "publisher explain ID",
    ),
    "trace": Entry(
        "trace:trace",
        "Show the whole way of an intent: its entry, its notification, each route, each attempt, each command.",
        "publisher trace 1773480413589-0",
    ),
    "guide": Entry(
        "guide:guide",
        "Read a guide: what is promised, how to deploy and operate the service, and how it is built.",
        "publisher guide operating",
    ),
    "observability": Entry(
        "observability:app",
        "Print what watches the service: a dashboard for Grafana, alert rules for Prometheus, and more.",
        commands=("list", "show"),
    ),
    "scheduler": Entry(
        "scheduler:app",
        "Run the scheduler, which sends a scan at intervals; or send one scan now.",
        commands=("run", "scan"),
    ),
    "intents": Entry(
        "intents:app",
        "Send intents, take them in again, and list those that were lost.",
        commands=("replay", "send", "losses"),
    ),
    "malformed": Entry(
        "malformed:app",
        "List intents and delivery events that were not accepted, and send them again.",
        commands=("resubmit", "list", "show"),
    ),
    "routes": Entry(
        "routes:app",
        "List routes, cancel them, and publish them again.",
        commands=("cancel", "republish", "list", "show"),
    ),
    "channels": Entry(
        "channels:app",
        "List channels; pause or slow one, or resume it.",
        commands=("limit", "list", "pause", "resume"),
    ),
    "holds": Entry(
        "holds:app",
        "Keep routes from being published until you let them go: by type, producer, channel or recipient.",
        commands=("add", "list", "remove"),
    ),
    "tokens": Entry(
        "tokens:app",
        "Make and revoke the tokens with which producers and mail services send over HTTP.",
        commands=("add", "list", "revoke"),
    ),
    "mailer": Entry(
        "mailer.group:app",
        "The mail service: send, preview templates, read bounces, and list the addresses that nothing is sent to.",
        commands=("run", "preview", "check", "bounces", "event", "held", "suppressions"),
    ),
    "dead-letters": Entry(
        "dead_letters:app",
        "List routes that were given up; requeue or discard them.",
        commands=("requeue", "discard", "list", "show"),
    ),
    "actions": Entry(
        "actions:app",
        "List the changes that operators made.",
        commands=("list", "show"),
    ),
    "retention": Entry(
        "retention:app",
        "Prune old records now, without waiting for the scheduler.",
        commands=("run",),
    ),
}


EXIT_CODES = [
    ("0", "Done."),
    ("1", "It failed, was done in part, or was answered with no; standard error says which."),
    ("2", "The command line or a setting is wrong: nothing was done."),
    ("130", "Ctrl-C or SIGTERM interrupted it. A process that runs until it is told to stop ends with 0."),
]


class CommandGroup(Group):
    """The group `publisher`: its commands are those of ENTRIES."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes | {"commands": _Commands()})

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the words behind `publisher`, and keeps them for an option behind which a shell may be named."""
        ctx.meta[WORDS] = list(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Every name, without importing a command."""
        del ctx
        return list(ENTRIES)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command. Raises typer.Abort for a Ctrl-C, which Typer would turn into an exit without a line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Abort from error

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Shows the help from the lines of ENTRIES alone."""
        Group.format_help(self._listed(), ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Completes the name of a command, from ENTRIES alone."""
        ctx.command = self._listed()
        return Group.shell_complete(ctx.command, ctx, incomplete)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Finds the command of a command line. To complete the word behind a group, the names in it are enough."""
        subcommands = ENTRIES[args[0]].commands if args[0] in ENTRIES else ()
        if ctx.resilient_parsing and len(args) == 1 and subcommands:
            return args[0], Group(name=args[0], commands={name: Command(name) for name in subcommands}), []
        return super().resolve_command(ctx, args)

    def _listed(self) -> "CommandGroup":
        listed = copy.copy(self)
        listed.commands = {name: Command(name, help=entry.help) for name, entry in ENTRIES.items()}
        return listed

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Shows the examples, then what holds for every command."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Environment"):
            formatter.write_text("DATABASE_URL, REDIS_URL, and the settings of 'publisher guide deploying'.")
        with formatter.section("Exit codes"):
            formatter.write_dl(EXIT_CODES)


class _Commands(dict[str, Any]):
    """The commands by name, each imported when it is asked for."""

    def __missing__(self, name: str) -> Any:
        self[name] = _command(name, ENTRIES[name])
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(ENTRIES)

    def keys(self) -> Any:
        return ENTRIES.keys()

    def items(self) -> Any:
        return [(name, self[name]) for name in ENTRIES]

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in ENTRIES else default


def _command(name: str, entry: Entry) -> Any:
    module, _, attribute = entry.place.partition(":")
    found = getattr(import_module(f"publisher.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
        command.name = name
        return command
    alone = CommandApp(entry.help, add_completion=False)
    alone.command(name, example=entry.example)(found)
    return typer.main.get_command(alone)
