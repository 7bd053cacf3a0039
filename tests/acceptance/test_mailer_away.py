"""A mailer whose SMTP server is away: whoever looks at the status learns it, and why (R33, R35)."""

import json
from typing import Any

import redis

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.mail_commands import append_commands
from tests.mail_run import mail_server
from tests.processes import Processes, free_port
from tests.waiting import wait_until


def test_status_says_that_mailers_can_send_no_mail(
    database: Database, redis_client: redis.Redis, processes: Processes, publisher: Publisher, environ: dict[str, str]
) -> None:
    """Nothing fails and nothing is answered meanwhile, so nothing else would say it. Its start is a line of the log."""
    append_commands(database, redis_client)
    with mail_server(environ):
        environ["PUBLISHER_SMTP_URL"] = url = f"smtp://127.0.0.1:{free_port()}"
        mailer = processes.start("mailer")

        def finding() -> dict[str, Any] | None:
            found = json.loads(publisher("status", "--json").stdout)["verdict"]["findings"]
            return next((each for each in found if each["code"] == "no_mail"), None)

        wait_until(lambda: finding() is not None, describe=lambda: mailer.output)

    told = finding()
    assert told is not None
    assert (told["level"], told["count"], told["remedy"]) == ("warning", 1, "publisher mailer check")
    assert told["text"].startswith("1 mailer can send no mail for ")
    assert f"connection refused ({url}): see that the SMTP server runs there" in told["text"]
    assert "mail service started" in mailer.output
    assert f'"server":"{url}"' in mailer.output
