"""`publisher up`."""

import json
import os
import shlex
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from publisher.cli.up_screen import Screen
from publisher.domain.errors import MailServerUnavailable, PublisherError, SettingsError
from publisher.local.children import Child, kill_children
from publisher.process.signals import StopSignals
from publisher.settings.mail import MailSettings

_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What the processes find. mail: the maildir that their messages arrive in; None: no server of ours takes them."""

    environ: Mapping[str, str]
    mail: Path | None = None


def up(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="FOLDER", help="Where the embedded servers keep their data.", file_okay=False),
    ] = Path(".publisher"),
) -> None:
    """Run every Procfile process on this machine until Ctrl-C.

    On an embedded PostgreSQL and Valkey, unless DATABASE_URL and REDIS_URL are both set. Their data stays in
    --data, and the next start goes on with it, on the same port. While it runs, every command that is started in the
    same folder finds these servers. With them runs an SMTP server that keeps all mail in --data. If PUBLISHER_SMTP_URL
    and PUBLISHER_MAIL_FROM are set, mail is sent through that server.

    Ctrl-C, SIGTERM or a closed terminal ends it in good order. A second Ctrl-C kills all of it at once, and no data
    is lost. If nobody reads its output any more, it goes on without output.
    """
    from publisher.process.logs import redirect_standard_streams

    stop = StopSignals(kill_children)
    redirect_standard_streams()
    screen = Screen(1)
    try:
        with ExitStack() as stack:
            _run(stop, screen, _surroundings(data, stop, screen, stack))
    except KeyboardInterrupt:
        # Only raised where a stop signal was asked for.
        pass
    except PublisherError:
        # Told to stop while it started: the servers are being ended, and nobody waits for what they refuse now.
        if not stop.requested:
            raise
    finally:
        stop.ignore()
    if stop.hurried:
        screen.say("killed. No data is lost: the next start recovers it")
        raise typer.Exit(130)
    screen.say("stopped")


def _surroundings(data: Path, stop: StopSignals, screen: Screen, stack: ExitStack) -> _Surroundings:
    """The environment of the processes, with servers that run. stack: ends the servers that are started here."""
    from publisher.connections import check_redis_url
    from publisher.environment import check_settings, load_settings
    from publisher.local.embedded import FolderInUse, are_given, embedded_servers
    from publisher.local.env_file import FOLDER, export_lines, written_env_file
    from publisher.local.mail_environ import keeps_mail_here, mail_environ
    from publisher.local.page_environ import page_environ

    # Lines for people: JSON only where it is asked for.
    environ = {**os.environ, "PUBLISHER_LOG_FORMAT": os.environ.get("PUBLISHER_LOG_FORMAT", "").strip() or "console"}
    if screen.colours:
        environ["FORCE_COLOR"] = "1"
    if are_given(environ):
        screen.say("DATABASE_URL and REDIS_URL are set: their servers are used, and none is started")
        settings = load_settings(environ)
        check_redis_url(settings, "up")
        settings.web.check()
        # Without the passwords that they may hold.
        screen.show([f"DATABASE_URL={settings.database_url.shown}", f"REDIS_URL={settings.redis_url.shown}"])
        return _Surroundings({**environ, **page_environ(environ, None)})
    is_found = data.resolve() == Path(FOLDER).resolve()
    with_mail = keeps_mail_here(environ)
    # Before anything is started for nothing.
    check_settings({**environ, **mail_environ(None, environ)}).web.check()
    started = "PostgreSQL, Valkey and an SMTP server" if with_mail else "PostgreSQL and Valkey"
    starting = f"starting {started}, with their data in {data}"
    try:
        servers = stack.enter_context(
            embedded_servers(data, stop.check, lambda: screen.say(starting), with_mail=with_mail)
        )
    except FolderInUse as error:
        raise PublisherError(
            f"`publisher up` already runs in this folder (pid {error.pid}): other commands here find its servers;"
            " --data FOLDER starts a second one"
            if is_found
            else f"`publisher up` already runs with its data in {data} (pid {error.pid}): another --data FOLDER starts"
            " a second one"
        ) from error
    for name, port in servers.taken_ports.items():
        screen.say(f"another program uses port {port}: {name} has another port from now on")
    found = servers.environ | mail_environ(servers.smtp_url, environ)
    stack.enter_context(written_env_file(data, found))
    if is_found:
        screen.say("commands in this folder find these servers; elsewhere, paste:")
    else:
        screen.say("before you use another command, paste:")
    screen.show(export_lines(found))
    return _Surroundings({**environ, **found, **page_environ(environ, data)}, servers.mail)


def _run(stop: StopSignals, screen: Screen, found: _Surroundings) -> None:
    """Runs the processes until a stop signal. Raises PublisherError if one of them ends before."""
    from publisher.environment import load_settings
    from publisher.local.procfile import first_ended, processes, run_release

    environ = found.environ
    settings = load_settings(environ)
    if found.mail is not None:
        screen.say(f"every email arrives in {found.mail}: none leaves this machine")
    elif settings.mail.smtp_url is not None:
        screen.say(f"PUBLISHER_SMTP_URL is set: mail is sent to {settings.mail.smtp_url.shown}")
    stop.check()
    run_release(environ, screen.relay, stop.check)
    stop.check()
    with processes(environ, screen.relay) as running:
        done = threading.Event()
        threading.Thread(target=_tell_when_ready, args=(found, running, screen, done), daemon=True).start()
        while (ended := first_ended(running)) is None and not stop.requested:
            time.sleep(_LOOK_SECONDS)
        done.set()
        code = None if ended is None else running[ended].returncode
        if ended is None:
            screen.say("stopping (Ctrl-C again kills)")
        elif not stop.requested:
            screen.say(f"{ended} ended by itself with exit code {code}: stopping the others")
    if ended is not None:
        raise PublisherError(f"{ended} ended by itself with exit code {code}: its last lines are above")


def _tell_when_ready(found: _Surroundings, running: Mapping[str, Child], screen: Screen, done: threading.Event) -> None:
    from publisher.connections import open_client
    from publisher.environment import load_settings
    from publisher.local.readiness import Readiness
    from publisher.streams.heartbeats import ProcessRegister

    settings = load_settings(found.environ)
    # A mailer without a server to send to writes no heartbeats.
    expected = {name: child for name, child in running.items() if name != "mailer" or settings.mail.is_used}
    with open_client(settings, "up", timedelta(seconds=3)) as client:
        readiness = Readiness(ProcessRegister(client), expected)
        while not done.wait(_LOOK_SECONDS):
            try:
                ready = readiness.is_reached()
            except PublisherError:
                # The processes say themselves what is wrong with Redis.
                continue
            if ready:
                screen.say("ready")
                screen.show(_next_steps(found.mail, settings.web.url))
                if found.mail is None:
                    _warn_without_mail(settings.mail, screen)
                return


def _warn_without_mail(settings: MailSettings, screen: Screen) -> None:
    """Says so if the SMTP server that was named takes no mail now: the mailer says it with the first email alone."""
    from publisher.smtp_check import greet

    if settings.smtp_url is None:
        return
    try:
        greet(settings.smtp_url, settings)
    except (MailServerUnavailable, SettingsError) as error:
        screen.say(f"no mail can be sent now, and emails wait until it can: {error}")


def _next_steps(mail: Path | None, page: str) -> list[str]:
    program = _program()
    now = time.time_ns() // 1_000_000
    intent = {
        # One of the templates that come with the service.
        "notification_type": "demo.turn.ready",
        "producer": "me",
        "audience_kind": "user",
        "recipients": [{"user_id": "7", "email": "ann@example.com"}],
        "idempotency_key": f"hello-{now}",
        "occurred_at_ms": now,
        "payload": {"game": "chess", "turn": 17},
    }
    return [
        f"Send an intent: echo {shlex.quote(json.dumps(intent))} | {program} intents send -",
        *([f"Read its email: cat {shlex.quote(str(mail / 'new'))}/*"] if mail else []),
        f"See the work:   {program} status --watch",
        f"Open the page:  {page}",
        "Stop:           Ctrl-C",
    ]


def _program() -> str:
    """This program as a shell finds it."""
    own = Path(sys.executable).parent / "publisher"
    found = shutil.which("publisher")
    if found is not None and Path(found) == own:
        return "publisher"
    if not own.exists():
        return f"{shlex.quote(sys.executable)} -m publisher"
    return shlex.quote(str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own))
