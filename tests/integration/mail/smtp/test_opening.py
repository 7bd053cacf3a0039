"""How a connection is opened: TLS is verified and never left out, and each failure says what to do."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.domain.errors import MailServerMisconfigured, MailServerUnavailable, SettingsError
from publisher.mail.smtp.connection import Offers
from publisher.mail.smtp.outcome import Accepted
from tests.integration.mail.smtp.sending import IMPATIENT, PATIENT, envelope, smtp_server
from tests.processes import free_port
from tests.smtp_servers import Fault, Step, hostile_smtp
from tests.tls_fronts import Authority


def opened(url: str, *, ca_file: str = "", timeout: timedelta = PATIENT) -> Offers:
    """Opens a connection, sends a message over it, and closes it."""

    async def run() -> Offers:
        connection = await smtp_server(url, ca_file=ca_file, timeout=timeout).connect()
        outcome = await connection.send(envelope())
        await connection.close()
        assert isinstance(outcome, Accepted)
        return connection.offers

    return asyncio.run(run())


def failed(url: str, *, ca_file: str = "", timeout: timedelta = PATIENT) -> MailServerUnavailable:
    """The error of a connection that cannot be opened: one line, and no secret in it (R36)."""
    with pytest.raises(MailServerUnavailable) as raised:
        asyncio.run(smtp_server(url, ca_file=ca_file, timeout=timeout).connect())
    text = str(raised.value)
    assert text.isprintable()
    assert "5ecret" not in text
    assert "ann" not in text
    return raised.value


def with_login(url: str, user: str, password: str) -> str:
    """The URL with this login."""
    return url.replace("://", f"://{quote(user, safe='')}:{quote(password, safe='')}@")


def test_what_the_server_offers_is_known() -> None:
    """From its answer to EHLO."""
    with hostile_smtp(offers=["PIPELINING", "size 1000", "8BITMIME"]) as server:
        assert opened(server.url) == Offers(True, False, True, True, 1000)


def test_a_server_without_ehlo_is_taken_with_helo() -> None:
    """It offers nothing (RFC 5321, 3.2)."""
    with hostile_smtp() as server:
        server.once(Fault(Step.EHLO, reply="502 5.5.1 No EHLO"))

        assert opened(server.url) == Offers()


@pytest.mark.parametrize("implicit", [True, False], ids=["smtps", "starttls"])
def test_tls_is_verified_and_what_the_server_offers_is_asked_within_it(tmp_path: Path, implicit: bool) -> None:
    """With the authority that the settings name."""
    authority = Authority(tmp_path)
    with hostile_smtp(tls=authority.context("localhost"), implicit=implicit) as server:
        assert opened(server.url, ca_file=str(authority.file)).pipelining

        assert server.commands.count("STARTTLS") == (0 if implicit else 1)


@settings(max_examples=10, deadline=None)
@given(st.text(min_size=1).filter(lambda t: "\0" not in t and t.isprintable()))
def test_any_login_is_sent_as_it_is_meant(password: str) -> None:
    """Percent-encoded in the URL, it arrives as the provider handed it out."""
    with hostile_smtp(login=("ann@example.com", password)) as server:
        opened(with_login(server.url, "ann@example.com", password))


def test_a_login_goes_through_tls_alone(tmp_path: Path) -> None:
    """It is sent after STARTTLS, and never before."""
    authority = Authority(tmp_path)
    with hostile_smtp(tls=authority.context("localhost"), login=("ann", "5ecret")) as server:
        opened(with_login(server.url, "ann", "5ecret"), ca_file=str(authority.file))

        words = [line.split(" ")[0] for line in server.commands]
        assert words[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


@pytest.mark.parametrize("implicit", [True, False], ids=["smtps", "starttls"])
@pytest.mark.parametrize(
    ("trusted", "name", "said"),
    [
        (False, "localhost", "is not trusted: .*: name the file of its authority in PUBLISHER_SMTP_CA_FILE"),
        (True, "mail.example.com", "is for another name: .*: write the name that its certificate holds"),
    ],
)
def test_a_certificate_that_is_not_verified_ends_it(
    tmp_path: Path, implicit: bool, trusted: bool, name: str, said: str
) -> None:
    """No login and no message is sent, and the error says which variable to correct."""
    authority, other = Authority(tmp_path), Authority(tmp_path)
    with hostile_smtp(tls=(other if trusted else authority).context(name), implicit=implicit) as server:
        error = failed(with_login(server.url, "ann", "5ecret"), ca_file=str(other.file))

        assert isinstance(error, MailServerMisconfigured)
        assert f"(smtp{'s' if implicit else '+starttls'}://localhost:{server.port})" in str(error)
        with pytest.raises(MailServerMisconfigured, match=said):
            raise error
        assert not any(line.startswith("AUTH") for line in server.commands)


def test_a_server_without_starttls_gets_no_login(tmp_path: Path) -> None:
    """Somebody on the way may have taken the offer out: there is no way back to plain text."""
    authority = Authority(tmp_path)
    with hostile_smtp(login=("ann", "5ecret")) as server:
        url = with_login(f"smtp+starttls://localhost:{server.port}", "ann", "5ecret")

        assert "the SMTP server offers no STARTTLS" in str(failed(url, ca_file=str(authority.file)))
        assert not any(line.startswith("AUTH") for line in server.commands)


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (None, MailServerMisconfigured, "refused the login: 535 5.7.8 No such login"),
        (Fault(Step.AUTH, reply="454 4.7.0 Later"), MailServerUnavailable, "refused the login: 454 4.7.0 Later"),
        (Fault(Step.AUTH, reply="535 <ann@x.example>"), MailServerMisconfigured, "correct the user name and password"),
        (Fault(Step.AUTH, close=True), MailServerUnavailable, "the server closed the connection"),
    ],
)
def test_a_refused_login_says_what_to_correct(fault: Fault | None, kind: type[Exception], said: str) -> None:
    """A server that only asks to wait is waited for."""
    with hostile_smtp(login=("ann", "other")) as server:
        server.once(*([fault] if fault else []))

        error = failed(with_login(server.url, "ann", "5ecret"))

    assert type(error) is kind
    assert said in str(error).replace("a***@x.example", "")


def test_a_login_that_the_server_does_not_offer_is_told() -> None:
    """Nothing is sent without it."""
    with hostile_smtp() as server:
        error = failed(with_login(server.url, "ann", "5ecret"))

    assert isinstance(error, MailServerMisconfigured)
    assert "offers no login that is known here" in str(error)


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (Fault(Step.BANNER, close=True), MailServerUnavailable, "the server closed the connection"),
        (Fault(Step.BANNER, stall=True), MailServerUnavailable, "timeout: no answer within 0.2 s"),
        (Fault(Step.BANNER, reply="554 5.7.1 Not you"), MailServerUnavailable, "takes no mail now: 554 5.7.1 Not you"),
        (Fault(Step.BANNER, reply="421 4.7.0 Busy"), MailServerUnavailable, "takes no mail now: 421 4.7.0 Busy"),
        (Fault(Step.BANNER, reply="SSH-2.0-x"), MailServerMisconfigured, "another server than SMTP answers"),
        (Fault(Step.EHLO, close=True), MailServerUnavailable, "the server closed the connection"),
        (Fault(Step.EHLO, stall=True), MailServerUnavailable, "timeout: no answer within 0.2 s"),
    ],
)
def test_a_server_that_takes_no_connection_is_away(fault: Fault, kind: type[Exception], said: str) -> None:
    """Each way in one line, with the place, and within the timeout."""
    with hostile_smtp() as server:
        server.always(fault)

        error = failed(server.url, timeout=IMPATIENT)

    assert type(error) is kind
    assert said in str(error)
    assert f"(smtp://127.0.0.1:{server.port})" in str(error)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("smtp://127.0.0.1:{port}", "see that the SMTP server runs there, or correct PUBLISHER_SMTP_URL"),
        ("smtp://no-such-host.invalid", "the host name is unknown"),
        (f"smtp://{'x' * 64}.example", "the host name is none"),
    ],
)
def test_a_server_that_is_not_there_is_told(url: str, said: str) -> None:
    """With the variable that names it."""
    assert said in str(failed(url.format(port=free_port())))


@pytest.mark.parametrize(
    ("scheme", "implicit", "said"),
    [
        ("smtps", False, "the TLS handshake failed: .*: if this port begins without TLS, write smtp.starttls://"),
        ("smtp+starttls", True, "if this port begins with TLS, write smtps://"),
    ],
)
def test_the_wrong_kind_of_tls_is_told(tmp_path: Path, scheme: str, implicit: bool, said: str) -> None:
    """The port of one is easily taken for that of the other."""
    authority = Authority(tmp_path)
    with hostile_smtp(tls=authority.context("localhost"), implicit=implicit) as server:
        error = failed(f"{scheme}://localhost:{server.port}", ca_file=str(authority.file), timeout=IMPATIENT)

    with pytest.raises(MailServerUnavailable, match=said):
        raise error


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda path: path.write_text("no certificate"), "holds no certificate"),
        (lambda path: path, "cannot be read: No such file"),
    ],
)
def test_a_file_without_certificates_is_a_bad_setting(
    tmp_path: Path, prepare: Callable[[Path], object], said: str
) -> None:
    """Told at start, before a message waits."""
    prepare(tmp_path / "ca.pem")

    with pytest.raises(SettingsError, match=f"PUBLISHER_SMTP_CA_FILE {said}"):
        smtp_server("smtps://localhost", ca_file=str(tmp_path / "ca.pem"))
