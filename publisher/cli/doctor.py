"""`publisher doctor`."""

import sys
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from publisher.cli.grants import print_grants, print_grants_as_json
from publisher.cli.session import configured
from publisher.cli.terminal.output import JsonFlag
from publisher.cli.views.checks import print_check, print_check_as_json
from publisher.connections import open_database, open_servers
from publisher.doctor.examine import STATEMENT, examine, reply_timeout
from publisher.doctor.grants import needed_grants
from publisher.doctor.verdict import Diagnosis, Verdict
from publisher.local.procfile import procfile
from publisher.settings.mail import MailSettings


def doctor(
    print_rights: Annotated[
        bool, typer.Option("--print-grants", help="Print the rights that the service needs, to paste; ask no server.")
    ] = False,
    role: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --print-grants: the name of role and user. Without it, those of the two URLs, but publisher"
            " for the superuser postgres and for the user default.",
        ),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="With --print-grants: the schema of the tables. Without it, that of DATABASE_URL."
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Check settings, PostgreSQL, Redis and SMTP server, and say what to do about what is wrong.

    Each thing that the service must be able to do is tried, and nothing is left behind. It ends by itself, whatever the
    servers do. Exit code 1 if a check failed, and not for a warning or for a check that could not look. So it fits a
    release phase, after 'publisher migrate'.
    """
    settings = configured()
    if print_rights:
        grants = needed_grants(settings, role=role, schema=schema)
        if json:
            print_grants_as_json(grants)
        else:
            print_grants(grants)
        return
    verdicts = Counter[Verdict]()
    unseen: dict[Diagnosis, list[str]] = {}
    with (
        closing(open_database(settings, "doctor", STATEMENT)) as database,
        open_servers(settings, "doctor", reply_timeout(settings)) as servers,
    ):
        for check in examine(settings, database, servers, procfile, lambda: _mail_server(settings.mail)):
            verdicts[check.diagnosis.verdict] += 1
            if json:
                print_check_as_json(check.name, check.diagnosis)
            elif check.diagnosis.verdict is Verdict.UNKNOWN:
                unseen.setdefault(check.diagnosis, []).append(check.name)
            else:
                print_check(check.name, check.diagnosis)
            # Each as soon as it is known: some take their time.
            sys.stdout.flush()
    if not json:
        # Without a server dozens of checks say the same.
        for diagnosis, names in unseen.items():
            print_check(names[0] if len(names) == 1 else f"{len(names)} checks", diagnosis)
        counted = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in Verdict if verdicts[verdict])
        print(f"\n{verdicts.total()} checks: {counted}")
    if verdicts[Verdict.FAILED]:
        raise typer.Exit(1)


def _mail_server(settings: MailSettings) -> Diagnosis:
    # What sends is imported by those who do.
    from publisher.smtp_check import mail_server

    return mail_server(settings, datetime.now(UTC))
