"""The embedded SMTP server: mail of a demo arrives in a maildir on this machine."""

import asyncio
import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from publisher.domain.delivery_event import EventKind
from publisher.domain.errors import EmbeddedUnavailable
from publisher.local import embedded_smtp
from publisher.local.embedded_smtp import mail_folder, smtp_server, start_smtp_server
from publisher.local.maildir import count_messages, kept_messages
from publisher.local.ports import PortTaken
from publisher.mail.smtp.pool import SmtpPool
from publisher.mail.smtp.verdict import Verdict
from tests.integration.mail.smtp import sending


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A server: its folder and its port."""
    folder = tmp_path_factory.mktemp("smtp")
    with smtp_server(folder) as listening:
        yield folder, listening.port


@contextmanager
def raw(port: int) -> Iterator[socket.socket]:
    """A connection on which a test says what it likes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        until(client, b"\r\n")
        yield client


def until(client: socket.socket, end: bytes) -> bytes:
    """What the server says, up to this."""
    said = b""
    while not said.endswith(end):
        piece = client.recv(4096)
        assert piece, said
        said += piece
    return said


def test_the_mail_service_sends_to_it(running: tuple[Path, int]) -> None:
    """Pipelined, over several connections, and international addresses as well: each message is kept once."""
    folder, port = running
    before = count_messages(mail_folder(folder))

    async def send() -> list[Verdict | None]:
        pool = SmtpPool(sending.smtp_server(f"smtp://127.0.0.1:{port}"), 4)
        envelopes = [sending.envelope(f"d/{number}", recipient="jürgen@example.com") for number in range(20)]
        verdicts = await asyncio.gather(*map(pool.send, envelopes))
        await pool.close()
        return list(verdicts)

    assert [verdict.event for verdict in asyncio.run(send()) if verdict] == [EventKind.ACCEPTED] * 20
    messages = list(kept_messages(mail_folder(folder)))[before:]
    assert sorted(str(message.delivery_id) for message in messages) == sorted(f"d/{number}" for number in range(20))
    assert {message.recipient for message in messages} == {"jürgen@example.com"}


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_commands_are_understood_however_their_bytes_are_cut(running: tuple[Path, int], step: int) -> None:
    """Pipelined commands may come in one piece, or in many (RFC 2920)."""
    folder, port = running
    before = count_messages(mail_folder(folder))
    commands = b"EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"
    with raw(port) as client:
        for start in range(0, len(commands), step):
            client.sendall(commands[start : start + step])
        said = until(client, b"354 End data with <CR><LF>.<CR><LF>\r\n").splitlines()
        client.sendall(b"Subject: x\r\n\r\n..\r\n.\r\nQUIT\r\n")
        said += until(client, b"221 Bye\r\n").splitlines()

    assert b"250-PIPELINING" in said
    assert said[-5:] == [
        b"250 OK",
        b"250 OK",
        b"354 End data with <CR><LF>.<CR><LF>",
        b"250 2.0.0 Ok: kept",
        b"221 Bye",
    ]
    assert count_messages(mail_folder(folder)) == before + 1


@pytest.mark.parametrize("step", [1, 5, 1_000_000])
@pytest.mark.parametrize(
    "content",
    ["", ".\r\n", "\r\n", "\r\n.\r\n\r\n", "x\r\n", "x\r\n.\r\n..y\r\n", ".x\r\n\r\n.\r\n", "x" * 999 + "\r\n"],
)
def test_a_message_is_kept_as_it_was_sent(running: tuple[Path, int], content: str, step: int) -> None:
    """Lines that begin with a dot too (RFC 5321, 4.5.2), and however the bytes are cut."""
    folder, port = running
    before = count_messages(mail_folder(folder))
    sent = ("\r\n" + content).replace("\r\n.", "\r\n..")[2:].encode() + b".\r\n"
    with raw(port) as client:
        client.sendall(b"EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n")
        until(client, b"354 End data with <CR><LF>.<CR><LF>\r\n")
        for start in range(0, len(sent), step):
            client.sendall(sent[start : start + step])
        until(client, b"250 2.0.0 Ok: kept\r\n")

    kept = list(kept_messages(mail_folder(folder)))
    assert len(kept) == before + 1
    assert kept[-1].path.read_bytes().partition(b"\nDelivered-To: b@x.example\n")[2].decode() == content.replace(
        "\r\n", "\n"
    )


def test_a_message_larger_than_the_buffer_is_kept_whole(running: tuple[Path, int]) -> None:
    """It comes in pieces, and its end may be cut by any of them."""
    folder, port = running
    content = b"".join(b".%d\r\n" % number for number in range(200_000))
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("a@x.example", ["b@x.example"], content)

    *_, kept = kept_messages(mail_folder(folder))
    assert kept.path.read_bytes().endswith(b"b@x.example\n" + content.replace(b"\r\n", b"\n"))


def test_a_line_that_is_too_long_is_refused(running: tuple[Path, int]) -> None:
    """So a newcomer learns of it before a server of the world says so (RFC 5321, 4.5.3.1.6)."""
    folder, port = running
    before = count_messages(mail_folder(folder))
    with smtplib.SMTP("127.0.0.1", port) as client, pytest.raises(smtplib.SMTPDataError, match="too long"):
        client.sendmail("a@x.example", ["b@x.example"], "x" * 1001 + "\r\n")

    assert count_messages(mail_folder(folder)) == before


def test_a_message_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """It says at EHLO what it takes."""
    with smtp_server(tmp_path) as listening, smtplib.SMTP("127.0.0.1", listening.port) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == str(10 * 1024 * 1024)
        assert (client.mail("a@x.example"), client.rcpt("b@x.example")) == ((250, b"OK"), (250, b"OK"))

        assert client.data(b"x\r\n" * 4_000_000) == (552, b"5.3.4 The message is too long")

    assert count_messages(mail_folder(tmp_path)) == 0


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("<ann+tag@x.example>", "ann+tag@x.example"),
        ("<jürgen@x.example>", "jürgen@x.example"),
        ('<"ann lee"@x.example>', '"ann lee"@x.example'),
        ("<ann@[127.0.0.1]>", "ann@[127.0.0.1]"),
        ("<ann@x.example> NOTIFY=NEVER", None),
        ("<ann @ x>y", None),
    ],
)
def test_an_address_of_any_form_is_read(running: tuple[Path, int], path: str, kept: str | None) -> None:
    """Plain or quoted; what is none, or has an option that is not offered, is refused."""
    folder, port = running
    with raw(port) as client:
        client.sendall(f"EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:{path}\r\nQUIT\r\n".encode())
        said = until(client, b"221 Bye\r\n").splitlines()[-2]
        if kept is None:
            assert said.startswith(b"5")
            return
        assert said == b"250 OK"
    with smtplib.SMTP("127.0.0.1", port) as sender:
        options = ["SMTPUTF8"] if not kept.isascii() else []
        sender.sendmail("a@x.example", kept, b"Subject: Hi\r\n\r\n", options)
    assert list(kept_messages(mail_folder(folder)))[-1].recipient == kept


def test_mail_and_port_stay_over_a_restart(tmp_path: Path) -> None:
    """PUBLISHER_SMTP_URL of another terminal is right after the next start, too."""
    with smtp_server(tmp_path) as first, smtplib.SMTP("127.0.0.1", first.port) as client:
        client.sendmail("a@x.example", "b@x.example", b"Subject: Hi\r\n\r\n")

    with smtp_server(tmp_path) as second:
        assert second == first
        assert count_messages(mail_folder(tmp_path)) == 1


def test_a_port_that_is_taken_is_told(running: tuple[Path, int], tmp_path: Path) -> None:
    """A stranger there is not taken for the server."""
    with pytest.raises(PortTaken, match=f"another program listens on port {running[1]}"):
        start_smtp_server(tmp_path, running[1])


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes with the extra `embedded`."""
    monkeypatch.setattr(embedded_smtp, "find_spec", lambda _: None)

    with pytest.raises(EmbeddedUnavailable, match=r"pip install 'notification-publisher\[embedded\]'"):
        start_smtp_server(tmp_path, 1)
