"""`publisher mailer check`: what the mail service needs, looked at without sending anything (R33, R35, R36)."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme

from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.imap_server import imap_server
from tests.integration.mail_rows import held_mail
from tests.maildirs import made_maildir
from tests.processes import ROOT, free_port
from tests.smtp_servers import hostile_smtp
from tests.tls_fronts import Authority

DEMO = str(ROOT / "publisher" / "local" / "templates")
AWAY: dict[str, str | None] = {"DATABASE_URL": None, "REDIS_URL": None}
MAIL: dict[str, str | None] = {"PUBLISHER_MAIL_FROM": "Ann <ann@localhost>", "PUBLISHER_MAIL_TEMPLATES": DEMO}


@pytest.fixture
def check(publisher: Publisher) -> Any:
    """Runs the command. Returns its exit code, and verdict and words of each check."""

    def run(**variables: str | None) -> tuple[int, dict[str, tuple[str, str]]]:
        done = publisher("mailer", "check", "--json", **(MAIL | variables))
        assert done.stderr == ""
        assert "5ecret" not in done.stdout
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, {each["name"]: (each["verdict"], each["finding"]) for each in found}

    return run


def with_login(url: str) -> str:
    """The URL with a login."""
    return url.replace("://", f"://{quote('ann@example.com', safe='')}:5ecret@")


def test_a_server_with_tls_and_login_is_told_and_gets_no_message(check: Any, tmp_path: Path) -> None:
    """Version, certificate, login and what it offers; then QUIT."""
    authority = Authority(tmp_path)
    with hostile_smtp(tls=authority.context("localhost"), login=("ann@example.com", "5ecret")) as server:
        code, found = check(
            PUBLISHER_SMTP_URL=with_login(server.url), PUBLISHER_SMTP_CA_FILE=str(authority.file), **AWAY
        )

        assert code == 0, found
        assert found["smtp"] == ("ok", f"connected to {server.url}; the login is accepted")
        assert found["smtp-tls"][0] == "ok"
        assert found["smtp-tls"][1].startswith("TLSv1.3; the certificate is for localhost, until ")
        assert "PIPELINING, SMTPUTF8, 8BITMIME, SIZE; at most 10,485,760 bytes" in found["smtp-offers"][1]
        assert [word for word in server.commands if word.startswith(("MAIL", "RCPT", "DATA"))] == []
        assert server.commands[-1] == "QUIT"


def test_a_server_on_this_machine_needs_no_tls(check: Any) -> None:
    """Nobody reads the messages on their way: there is none."""
    with hostile_smtp() as server:
        _, found = check(PUBLISHER_SMTP_URL=server.url, **AWAY)

    assert found["smtp-tls"] == ("ok", "the connection has no TLS, and does not leave this machine")


def test_what_is_wrong_with_the_server_is_told_and_the_rest_is_looked_at(check: Any, tmp_path: Path) -> None:
    """A certificate that is not trusted, a login that is refused, no server at all: each one line with what to do."""
    with hostile_smtp(tls=Authority(tmp_path).context("localhost")) as server:
        _, untrusted = check(PUBLISHER_SMTP_URL=server.url, **AWAY)
    with hostile_smtp(login=("ann@example.com", "another")) as server:
        code, refused = check(PUBLISHER_SMTP_URL=with_login(server.url), **AWAY)
    _, nobody = check(PUBLISHER_SMTP_URL=f"smtp://127.0.0.1:{free_port()}", **AWAY)

    assert code == 1
    for found, words in (
        (untrusted, "certificate is not trusted"),
        (refused, "refused the login"),
        (nobody, "connection refused (smtp://127.0.0.1:"),
    ):
        verdict, finding = found["smtp"]
        assert (verdict, words in finding) == ("failed", True), finding
        assert found["smtp-offers"] == ("unknown", "not looked at: needs the SMTP server")
        assert found["templates"][0] == "ok"


def test_a_server_that_may_ask_for_a_login_is_told_where_none_is_set(check: Any) -> None:
    """Nothing else would say it before the first message is refused."""
    with hostile_smtp(login=("ann@example.com", "5ecret")) as server:
        code, found = check(PUBLISHER_SMTP_URL=server.url, **AWAY)

    assert (code, found["smtp"]) == (
        0,
        ("warning", f"connected to {server.url}; no login is set, and the server offers one"),
    )


def test_a_templates_author_needs_no_server(check: Any, tmp_path: Path) -> None:
    """Every template is rendered in every locale; what was not looked at is said, and is no fault."""
    code, found = check(**AWAY)

    assert code == 0, found
    assert found["templates"] == ("ok", "4 rendered, each in its locale with its sample")
    assert [found[name][0] for name in ("settings", "smtp", "deliveries")] == ["warning", "unknown", "unknown"]
    assert found["from"] == ("ok", "sends from localhost: found; look at SPF, DKIM and DMARC by hand")

    folder = tmp_path / "shop.invoice" / "en"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("{{ number }}")
    (folder / "text.txt").write_text("{{ nothing }}")
    (tmp_path / "shop.invoice" / "sample.json").write_text('{"number": 1}')
    code, found = check(PUBLISHER_MAIL_TEMPLATES=str(tmp_path), **AWAY)
    assert (code, found["templates"][0]) == (1, "failed")
    assert "shop.invoice/en/text.txt" in found["templates"][1]


def test_settings_and_mailbox_are_looked_at(check: Any, tmp_path: Path) -> None:
    """Every variable that is wrong is named; the mailbox of bounces is opened, and nothing in it is touched."""
    code, found = check(PUBLISHER_MAIL_FROM="nobody", PUBLISHER_MAIL_BOUNCES_URL=str(tmp_path), **AWAY)
    assert code == 1
    assert "PUBLISHER_MAIL_FROM must be one address" in found["settings"][1]
    assert found["bounces"][0] == "failed"

    _, found = check(PUBLISHER_MAIL_BOUNCES_URL=str(made_maildir(tmp_path / "bounces")), **AWAY)
    assert found["bounces"] == ("ok", f"maildir:{tmp_path / 'bounces'} opens")


def test_a_mistyped_variable_is_named(check: Any) -> None:
    """Its default is in force, and no other check would tell."""
    with hostile_smtp() as server:
        code, found = check(
            PUBLISHER_SMTP_URL=server.url,
            PUBLISHER_MAIL_RETURNDOMAIN="bounces.example.com",
            PUBLISHER_SCAN_IN="1",
            **AWAY,
        )

    assert (code, found["settings"]) == (0, ("warning", "ignored: PUBLISHER_MAIL_RETURNDOMAIN"))


def test_an_imap_mailbox_is_opened_to_be_read_alone(check: Any, tmp_path: Path) -> None:
    """So its next reader finds every message as new as before."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with imap_server(authority) as server:
        url = f"imaps://ann:{quote('pass word/é', safe='')}@127.0.0.1:{server.port}/"
        _, found = check(PUBLISHER_MAIL_BOUNCES_URL=url, SSL_CERT_FILE=str(tmp_path / "ca.pem"), **AWAY)

    assert found["bounces"][0] == "ok", found["bounces"]
    assert (server.selected, server.examined) == ("", '"INBOX"')


def test_what_waits_is_told_where_postgresql_is_there(check: Any, database: Database) -> None:
    """Held messages are a warning."""
    held_mail(database)

    _, found = check()

    assert found["deliveries"] == ("warning", "0 deferred, 1 held, 0 addresses suppressed")
