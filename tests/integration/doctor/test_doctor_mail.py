"""The check of the SMTP server in `publisher doctor`: it is greeted as by a mailer, and nothing is sent (R33, R36)."""

from pathlib import Path
from urllib.parse import quote

import pytest

from publisher.doctor.verdict import Diagnosis, Verdict
from tests.integration.doctor.examined import Examined
from tests.processes import ROOT, free_port
from tests.smtp_faults import Fault, Step
from tests.smtp_servers import hostile_smtp
from tests.tls_fronts import Authority

MAIL = {
    "PUBLISHER_MAIL_FROM": "Ann <ann@localhost>",
    "PUBLISHER_MAIL_TEMPLATES": str(ROOT / "publisher" / "local" / "templates"),
}


def mail_server(examined: Examined, url: str, **variables: str) -> Diagnosis:
    """What the check found with this URL of the SMTP server."""
    return examined(PUBLISHER_SMTP_URL=url, **MAIL, **variables)["mail-server"]


def with_login(url: str) -> str:
    """The URL with a login."""
    return url.replace("://", f"://{quote('ann@example.com', safe='')}:5ecret@")


def test_without_an_smtp_server_none_is_greeted(examined: Examined) -> None:
    """Another mail service sends: that is no fault."""
    assert examined()["mail-server"].finding == "PUBLISHER_SMTP_URL is not set: there is no SMTP server to greet"


def test_a_server_that_takes_mail_is_well_and_gets_none(examined: Examined, tmp_path: Path) -> None:
    """Greeting, TLS and login are tried, and then comes QUIT."""
    authority = Authority(tmp_path)
    with hostile_smtp(tls=authority.context("localhost"), login=("ann@example.com", "5ecret")) as server:
        found = mail_server(examined, with_login(server.url), PUBLISHER_SMTP_CA_FILE=str(authority.file))

        assert found == Diagnosis(Verdict.OK, f"connected to {server.url}; the login is accepted")
        assert [word for word in server.commands if word.startswith(("MAIL", "RCPT", "DATA"))] == []
        assert server.commands[-1] == "QUIT"


@pytest.mark.parametrize(
    ("amiss", "words"),
    [
        ("away", "see that the SMTP server runs there, or correct PUBLISHER_SMTP_URL"),
        ("login", "correct the user name and password in PUBLISHER_SMTP_URL"),
        ("certificate", "name the file of its authority in PUBLISHER_SMTP_CA_FILE"),
        ("silent", "timeout: no answer within 0.3 s"),
    ],
)
def test_a_server_that_takes_no_mail_is_a_warning(examined: Examined, tmp_path: Path, amiss: str, words: str) -> None:
    """It names the variable and what to do, shows no secret, and waits no longer than PUBLISHER_SMTP_TIMEOUT."""
    with hostile_smtp(
        tls=Authority(tmp_path).context("localhost") if amiss == "certificate" else None,
        login=("ann@example.com", "another") if amiss == "login" else None,
    ) as server:
        url = {"away": f"smtp://127.0.0.1:{free_port()}", "login": with_login(server.url)}.get(amiss, server.url)
        if amiss == "silent":
            server.always(Fault(Step.BANNER, stall=True))
        found = mail_server(examined, url, **({"PUBLISHER_SMTP_TIMEOUT": "0.3"} if amiss == "silent" else {}))

    assert found.verdict is Verdict.WARNING
    assert found.finding.startswith("PUBLISHER_SMTP_URL: no mail can be sent: ")
    assert words in found.finding
    assert "publisher mailer check" in found.remedy
    assert "5ecret" not in found.finding
