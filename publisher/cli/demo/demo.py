"""`publisher demo`."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from publisher.cli.terminal.output import JsonFlag, YesFlag, confirm
from publisher.cli.up_screen import Screen
from publisher.domain.errors import PublisherError
from publisher.local.children import kill_children
from publisher.process.signals import StopSignals
from publisher.process.temporary import temporary_folder

if TYPE_CHECKING:
    from publisher.cli.demo.run import DemoResult


def demo(
    intents: Annotated[
        int, typer.Option("--intents", metavar="NUMBER", min=1, max=1_000_000, help="How many intents to send.")
    ] = 2000,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Watch intents become emails: start every process, send sample intents, check what comes out.

    On an embedded PostgreSQL and Valkey, unless DATABASE_URL and REDIS_URL are both set, and with an SMTP server that
    keeps all mail here, unless PUBLISHER_SMTP_URL and PUBLISHER_MAIL_FROM are set. Among the intents are bad addresses,
    repetitions, conflicts and broken ones. Exit code 0 only if every route was published exactly once, or ended as it
    had to, and every published email was sent exactly once.
    """
    from publisher.cli.demo.mail_wait import must_take_mail
    from publisher.cli.demo.view import show, show_json
    from publisher.connections import check_redis_url
    from publisher.environment import check_settings
    from publisher.local.demo import ENVIRON
    from publisher.local.embedded import are_given, embedded_servers
    from publisher.local.mail_environ import TEMPLATES, keeps_mail_here, mail_environ
    from publisher.local.page_environ import OF_DEMO
    from publisher.settings.types import without_blanks

    # The sample is of the types that have these templates.
    environ = {**ENVIRON, **without_blanks(os.environ), "PUBLISHER_MAIL_TEMPLATES": str(TEMPLATES), **OF_DEMO}
    given, with_mail = are_given(environ), keeps_mail_here(environ)
    # Before anybody is asked, and before anything is started for nothing.
    settings = check_settings(environ)
    if given:
        check_redis_url(settings, "demo")
    _ask(environ, given, yes)
    say = Console(stderr=True, highlight=False)
    must_take_mail(settings.mail, say)
    stop = StopSignals(kill_children)
    folder = Path(tempfile.mkdtemp(prefix="publisher-demo-", dir=temporary_folder()))
    keep = True
    try:
        say.print(_starting(given, with_mail), style="dim")
        with nullcontext() if given else embedded_servers(folder, stop.check, with_mail=with_mail) as servers:
            found = {**servers.environ, **mail_environ(servers.smtp_url, environ)} if servers else {}
            result = _run(intents, {**environ, **found}, folder, servers.mail if servers else None, say, stop)
        stop.check()
        (show_json if json else show)(result)
        keep = bool(result.problems)
    except (KeyboardInterrupt, PublisherError) as error:
        # A server that is being ended refuses what was asked of it: that is no error of the demo.
        if stop.requested:
            keep = False
            raise typer.Abort from error
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        stop.ignore()
    if result.problems:
        raise PublisherError(f"{len(result.problems)} problems, see above; the processes' logs are in {folder}")


def _ask(environ: Mapping[str, str], given: bool, yes: bool) -> None:
    """Asks before anything goes through servers that are not the demo's own."""
    sends = "PUBLISHER_SMTP_URL" in environ
    if given and sends:
        confirm(
            "DATABASE_URL, REDIS_URL and PUBLISHER_SMTP_URL are set: send sample intents, and emails to example.com,"
            " through these servers?",
            yes,
        )
    elif given:
        confirm("DATABASE_URL and REDIS_URL are set: send sample intents through these servers?", yes)
    elif sends:
        confirm("PUBLISHER_SMTP_URL is set: send sample emails to example.com through this server?", yes)


def _starting(given: bool, with_mail: bool) -> str:
    if given:
        return "starting the processes of the Procfile"
    servers = "PostgreSQL, Valkey, an SMTP server" if with_mail else "PostgreSQL, Valkey"
    return f"starting {servers} and the processes of the Procfile"


def _run(
    count: int, environ: Mapping[str, str], folder: Path, mailbox: Path | None, say: Console, stop: StopSignals
) -> "DemoResult":
    """Runs the processes, whose lines go to a file in the folder, and the sample through them."""
    from publisher.cli.demo.run import send_sample
    from publisher.environment import load_settings
    from publisher.local.procfile import processes, run_release

    if not load_settings(environ).mail.is_used:
        say.print("mail is left out: PUBLISHER_SMTP_URL is not set", style="dim")
    run_release(environ, lambda _, line: say.print(Text(line.decode(errors="replace").rstrip(), "dim")), stop.check)
    with (folder / "processes.log").open("wb") as log, processes(environ, Screen(log.fileno()).relay) as running:
        try:
            return send_sample(count, environ, running, mailbox, say, stop)
        except KeyboardInterrupt:
            # It takes seconds, in which nobody should believe that the key was not seen.
            say.print("stopping (Ctrl-C again kills)", style="dim")
            raise
