"""Where the processes of `up` and `demo` send mail to: a mailbox here, a server that was named, or nowhere."""

from collections.abc import Mapping

import pytest

from publisher.local.mail_environ import TEMPLATES, keeps_mail_here, mail_environ

GIVEN = {"DATABASE_URL": "postgres://h/d", "REDIS_URL": "redis://h"}


@pytest.mark.parametrize(
    ("environ", "here"),
    [
        ({}, True),
        ({"PUBLISHER_SMTP_URL": " "}, True),
        ({"PUBLISHER_SMTP_URL": "smtp://h"}, False),
        (GIVEN, False),
        (GIVEN | {"PUBLISHER_SMTP_URL": "smtp://h"}, False),
    ],
    ids=["nothing is set", "blank", "a server", "other servers", "all"],
)
def test_mail_stays_here_beside_servers_of_ours_alone(environ: Mapping[str, str], here: bool) -> None:
    """A mailbox on a laptop never takes the commands of a system whose servers were given."""
    assert keeps_mail_here(environ) is here


def test_the_sender_and_the_templates_come_with_the_service() -> None:
    """A first message needs no setting."""
    found = mail_environ("smtp://127.0.0.1:2525", {"PUBLISHER_MAIL_FROM": " "})

    assert found == {
        "PUBLISHER_SMTP_URL": "smtp://127.0.0.1:2525",
        "PUBLISHER_MAIL_FROM": "Chess Club <club@example.com>",
        "PUBLISHER_MAIL_TEMPLATES": str(TEMPLATES),
    }
    assert (TEMPLATES / "demo.turn.ready" / "en" / "subject.txt").is_file()


def test_own_templates_are_tried_on_the_local_server() -> None:
    """What is set counts."""
    assert mail_environ("smtp://h", {"PUBLISHER_MAIL_TEMPLATES": "mail"})["PUBLISHER_MAIL_TEMPLATES"] == "mail"


def test_another_server_gets_the_templates_alone() -> None:
    """Who sends through it is its user's to say."""
    assert mail_environ(None, {"PUBLISHER_SMTP_URL": "smtp://h"}) == {"PUBLISHER_MAIL_TEMPLATES": str(TEMPLATES)}


def test_without_any_server_nothing_is_set() -> None:
    """The mailer is idle then."""
    assert mail_environ(None, {"PUBLISHER_SMTP_URL": " "}) == {}
