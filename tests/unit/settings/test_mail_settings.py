"""The settings of the mail service: their defaults, and what is wrong with them."""

from datetime import timedelta
from pathlib import Path

import pytest

from publisher.domain.errors import SettingsError
from publisher.domain.rate_limit import RateLimit
from publisher.settings.mail import MailSettings, Unsure
from publisher.settings.settings import Settings
from publisher.settings.smtp_url import read_smtp_url

SERVERS = {"DATABASE_URL": "postgres://a/b", "REDIS_URL": "redis://a"}


def read(environ: dict[str, str]) -> MailSettings:
    """The mail service's settings, where nothing is wrong with any setting."""
    return Settings.from_environ({**SERVERS, **environ}, {}).mail


def test_without_a_server_the_mail_service_is_not_used() -> None:
    """So the Procfile runs beside another mail service, and takes none of its commands (R33)."""
    assert not read({}).is_used


def test_each_variable_is_read(tmp_path: Path) -> None:
    """Field x_y is PUBLISHER_MAIL_X_Y, the sender PUBLISHER_MAIL_FROM, and what begins with smtp has no MAIL."""
    found = read(
        {
            "PUBLISHER_SMTP_URL": "smtp://localhost",
            "PUBLISHER_MAIL_FROM": "hello@example.com",
            "PUBLISHER_MAIL_TEMPLATES": str(tmp_path),
            "PUBLISHER_MAIL_UNSURE": " HOLD ",
            "PUBLISHER_MAIL_RATE": "14/s",
            "PUBLISHER_MAIL_SUPPRESS": "0",
            "PUBLISHER_MAIL_GROUP": "  ",
        }
    )

    assert found.is_used
    assert (found.sender, found.templates, found.unsure) == ("hello@example.com", str(tmp_path), Unsure.HOLD)
    assert (found.rate, found.suppress, found.group) == (RateLimit(14, 14), timedelta(0), "mail-service")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"PUBLISHER_MAIL_UNSURE": "ask"}, "PUBLISHER_MAIL_UNSURE: must be 'send' or 'hold', got 'ask'"),
        (
            {"PUBLISHER_MAIL_CONNECTIONS": "0"},
            "PUBLISHER_MAIL_CONNECTIONS: must be greater than or equal to 1, got '0'",
        ),
        ({"PUBLISHER_MAIL_GROUP": "a\nb"}, "PUBLISHER_MAIL_GROUP: must hold no control characters"),
        (
            {"PUBLISHER_MAIL_BACKOFF_MIN": "9", "PUBLISHER_MAIL_BACKOFF_MAX": "8"},
            "PUBLISHER_MAIL_BACKOFF_MIN must be at most PUBLISHER_MAIL_BACKOFF_MAX",
        ),
        (
            {"PUBLISHER_MAIL_FROM": "A <a@example.com>, B <b@example.com>"},
            "PUBLISHER_MAIL_FROM must be one address, such as `Example <hello@example.com>`; a name with a comma",
        ),
        ({"PUBLISHER_MAIL_TEMPLATES": "/no/such"}, "PUBLISHER_MAIL_TEMPLATES: no such folder: '/no/such'"),
        ({"PUBLISHER_SMTP_CA_FILE": "/no/such"}, "PUBLISHER_SMTP_CA_FILE: no such file: '/no/such'"),
        ({"PUBLISHER_MAIL_BOUNCES_URL": "imap://ann:secret@host"}, "PUBLISHER_MAIL_BOUNCES_URL must be a folder, or a"),
        ({"PUBLISHER_SMTP_URL": "smtp://localhost"}, "PUBLISHER_MAIL_FROM must be set where PUBLISHER_SMTP_URL is"),
        (
            {"PUBLISHER_SMTP_URL": "smtp://localhost"},
            "PUBLISHER_MAIL_TEMPLATES must be set where PUBLISHER_SMTP_URL is",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_rule(environ: dict[str, str], said: str) -> None:
    """In the one line that lists every problem."""
    with pytest.raises(SettingsError) as caught:
        read(environ)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        (" bounces.example.com ", "bounces.example.com"),
        ("bounces.example.com.", "bounces.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        (f"{'x' * 60}.{'y' * 60}.{'z' * 60}.{'w' * 22}", f"{'x' * 60}.{'y' * 60}.{'z' * 60}.{'w' * 22}"),
    ],
)
def test_a_return_domain_is_used_in_ascii(text: str, domain: str) -> None:
    """As SMTP writes it in the return path of every message."""
    assert read({"PUBLISHER_MAIL_RETURN_DOMAIN": text}).return_domain == domain


@pytest.mark.parametrize(
    "text",
    [
        "@bounces.example.com",
        "bounces.example.com, x",
        "<bounces.example.com>",
        "bounces@example.com",
        "bounces..example.com",
        "x" * 250 + ".example",
        # With the 48 characters that name the delivery it is an address of 255.
        f"{'x' * 60}.{'y' * 60}.{'z' * 60}.{'w' * 23}",
    ],
)
def test_a_return_domain_that_makes_no_address_is_refused_at_start(text: str) -> None:
    """Else every message would be refused by the server, one after the other."""
    with pytest.raises(SettingsError, match="PUBLISHER_MAIL_RETURN_DOMAIN: must be a domain that mail can be sent to"):
        read({"PUBLISHER_MAIL_RETURN_DOMAIN": text})


def test_a_maildir_of_bounces_may_be_on_another_machine() -> None:
    """Every process reads the settings, and only one opens the mailbox."""
    assert read({"PUBLISHER_MAIL_BOUNCES_URL": "maildir:///no/such"}).bounces_url == "maildir:///no/such"


def test_a_password_in_a_url_is_not_shown() -> None:
    """The settings may be printed or logged (R36)."""
    found = MailSettings.model_validate(
        {
            "PUBLISHER_SMTP_URL": read_smtp_url("smtps://ann:secret@host"),
            "PUBLISHER_MAIL_BOUNCES_URL": "imaps://ann:secret@host/INBOX",
        }
    )

    assert "smtps://host:465" in repr(found)
    assert "secret" not in repr(found)


def test_a_bad_server_is_one_problem_of_all_and_shows_nothing() -> None:
    """It is listed beside the others, and its password stands in none of them (R36)."""
    with pytest.raises(SettingsError) as caught:
        read({"PUBLISHER_SMTP_URL": "smtp://ann:secret@mail.example.com", "PUBLISHER_MAIL_UNSURE": "ask"})

    assert "secret" not in str(caught.value)
    assert "PUBLISHER_SMTP_URL begins with smtp://, which sends its password" in str(caught.value)
    assert "PUBLISHER_MAIL_UNSURE: must be" in str(caught.value)
