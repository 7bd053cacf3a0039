"""Running every check of `publisher doctor` on the test's servers."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from publisher.connections import open_database, open_servers
from publisher.doctor.examine import STATEMENT, examine, reply_timeout
from publisher.doctor.verdict import Diagnosis
from publisher.environment import load_settings
from publisher.local.procfile import procfile
from publisher.smtp_check import mail_server
from tests.integration.doctor.examined import Examined


@pytest.fixture
def examined(environ: dict[str, str]) -> Examined:
    """Runs every check with this environment and the variables given besides.

    statement: how long a check waits for PostgreSQL.
    """

    def run(statement: timedelta = STATEMENT, **variables: str) -> dict[str, Diagnosis]:
        settings = load_settings(environ | variables)
        with (
            closing(open_database(settings, "doctor", statement)) as database,
            open_servers(settings, "doctor", reply_timeout(settings)) as servers,
        ):
            checks = examine(
                settings, database, servers, procfile, lambda: mail_server(settings.mail, datetime.now(UTC))
            )
            return {check.name: check.diagnosis for check in checks}

    return run
