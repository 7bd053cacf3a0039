"""`publisher mailer check`."""

import sys
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import typer

from publisher.cli.terminal.output import JsonFlag
from publisher.cli.views.checks import print_check, print_check_as_json
from publisher.connections import open_database
from publisher.doctor.verdict import Verdict
from publisher.environment import environ_beside_up, load_settings
from publisher.settings.mail import MailSettings
from storage.database import Database

_STATEMENT = timedelta(seconds=5)


def check(json: JsonFlag = False) -> None:
    """Check what the mail service needs, and send nothing: settings, SMTP server, templates, sender, bounces.

    Connects to the SMTP server, logs in and says goodbye. Renders every template in every locale with its sample. Needs
    no PostgreSQL and no Redis: what waits there is left out without. Beside a `publisher up` it looks at its servers.
    It ends by itself. Exit code 1 if a check failed.
    """
    # What renders and sends is imported by those who do.
    from publisher.mail_check import check_mail

    verdicts = Counter[Verdict]()
    with ExitStack() as stack:

        def open_store() -> Database:
            return stack.enter_context(closing(open_database(load_settings(), "mailer-check", _STATEMENT)))

        environ = environ_beside_up()
        settings, problems = MailSettings.read(environ)
        for name, found in check_mail(settings, problems, MailSettings.unknown(environ), open_store, datetime.now(UTC)):
            verdicts[found.verdict] += 1
            if json:
                print_check_as_json(name, found)
            else:
                print_check(name, found)
            sys.stdout.flush()
    if not json:
        counted = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in Verdict if verdicts[verdict])
        print(f"\n{verdicts.total()} checks: {counted}")
    if verdicts[Verdict.FAILED]:
        raise typer.Exit(1)
