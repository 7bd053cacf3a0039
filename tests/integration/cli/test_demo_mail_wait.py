"""What `publisher demo` says while its emails wait for the SMTP server (R33, R35)."""

import io

import pytest
from rich.console import Console

from publisher.cli.demo.mail_wait import MailWait, must_take_mail
from publisher.domain.errors import PublisherError
from publisher.settings.mail import MailSettings
from tests.processes import free_port
from tests.smtp_servers import Fault, Step, hostile_smtp


def console() -> tuple[Console, io.StringIO]:
    """A console, and what was printed on it."""
    printed = io.StringIO()
    return Console(file=printed, width=500), printed


def sending_to(url: str, timeout: str = "5") -> MailSettings:
    """The settings of a mail service that sends to this server."""
    return MailSettings.read({"PUBLISHER_SMTP_URL": url, "PUBLISHER_SMTP_TIMEOUT": timeout})[0]


def test_a_server_that_takes_mail_is_greeted_and_gets_none() -> None:
    """One line says what is waited for meanwhile."""
    say, printed = console()
    with hostile_smtp() as server:
        must_take_mail(sending_to(server.url), say)

        assert printed.getvalue() == f"connecting to the SMTP server {server.url}\n"
        assert server.commands[-1] == "QUIT"
        assert server.taken == []


def test_nothing_is_started_for_a_server_that_takes_no_mail() -> None:
    """The error names the server, the cause and the variable, in one line; one that keeps silent is not waited for."""
    url = f"smtp://127.0.0.1:{free_port()}"
    with pytest.raises(PublisherError) as away:
        must_take_mail(sending_to(url), console()[0])
    with hostile_smtp() as server:
        server.always(Fault(Step.BANNER, stall=True))
        with pytest.raises(PublisherError) as silent:
            must_take_mail(sending_to(server.url, timeout="0.2"), console()[0])

    assert str(away.value) == (
        f"no mail can be sent, so nothing was started: connection refused ({url}): see that the SMTP server runs there,"
        " or correct PUBLISHER_SMTP_URL"
    )
    assert f"timeout: no answer within 0.2 s ({server.url})" in str(silent.value)


def test_without_a_server_nothing_is_said() -> None:
    """Mail is left out, or the demo has brought a server of its own."""
    say, printed = console()

    must_take_mail(MailSettings.read({})[0], say)

    assert printed.getvalue() == ""


def test_emails_that_wait_say_for_what_once() -> None:
    """The server that is away, and its variable; it is looked for again after some seconds alone."""
    say, printed = console()
    wait = MailWait(sending_to(f"smtp://127.0.0.1:{free_port()}"), lambda: None, say)

    wait.tell(39)
    wait.tell(39)

    assert printed.getvalue().startswith("39 emails wait: no mail can be sent: connection refused (smtp://127.0.0.1:")
    assert printed.getvalue().count("\n") == 1
    assert wait.reason is not None
    assert wait.reason.endswith("or correct PUBLISHER_SMTP_URL")


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (
            "530 5.7.0 Log in",
            "2 emails wait: the SMTP server refuses them for now, and they are tried again: 530 5.7.0 Log in\n",
        ),
        (None, "2 emails wait: the SMTP server answers, and has refused none: the log of the processes says more\n"),
    ],
    ids=["refused", "nobody knows"],
)
def test_emails_that_a_server_refuses_say_in_which_words(refusal: str | None, said: str) -> None:
    """They are those of the last event of kind `deferred`."""
    say, printed = console()
    with hostile_smtp() as server:
        MailWait(sending_to(server.url), lambda: refusal, say).tell(2)

    assert printed.getvalue() == said
