"""One transaction after the other over one connection, to a server that behaves (RFC 5321, R33)."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publisher.mail.smtp.outcome import Accepted, Envelope, Reply, Unsendable
from tests.integration.mail.smtp.sending import envelope, sent
from tests.smtp_servers import EIGHT_BIT, PIPELINING, SIZE, UTF8, HostileSmtp, hostile_smtp

ACCEPTED = Accepted(Reply(250, "2.0.0 Ok: queued"))


@pytest.fixture(scope="module")
def server() -> Iterator[HostileSmtp]:
    """A server that offers everything, and behaves."""
    with hostile_smtp() as running:
        yield running


def test_many_messages_go_over_one_connection(server: HostileSmtp) -> None:
    """Each is a transaction of its own; the connection ends with QUIT."""
    before, taken = server.connections, len(server.taken)

    outcomes = sent(server.url, [envelope(f"d/{number}") for number in range(3)])

    assert outcomes == [ACCEPTED] * 3
    assert server.connections == before + 1
    assert [(m.delivery_id, m.return_path, m.recipient, m.replied) for m in server.taken[taken:]] == [
        (f"d/{number}", "bounces@example.org", "ann@example.com", True) for number in range(3)
    ]
    assert server.commands[-1] == "QUIT"


lines = st.lists(st.sampled_from([b".", b"..", b".a", b"a.", b"", b"a", b"\r", b"\n", b"\xc3\xa9"]), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(lines, st.sampled_from([b"\r\n", b"\n", b"\r"]))
def test_content_arrives_as_it_was(server: HostileSmtp, pieces: list[bytes], ending: bytes) -> None:
    """A dot at the beginning of a line neither ends the message nor gets lost; a lone break cannot hide a command."""
    content = b".Subject: x\r\n\r\n" + ending.join(pieces)

    assert sent(server.url, [Envelope("", "ann@example.com", content)]) == [ACCEPTED]

    expected = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    assert server.taken[-1].content == expected + (b"" if expected.endswith(b"\r\n") else b"\r\n")


def test_a_long_message_arrives_whole(server: HostileSmtp) -> None:
    """Its end is sent once the rest is on its way."""
    body = b".line of a long message\r\n" * 100_000

    assert sent(server.url, [envelope("d/long", body)]) == [ACCEPTED]

    assert server.taken[-1].content.endswith(body)


def test_international_addresses_are_sent_where_they_are_offered(server: HostileSmtp) -> None:
    """SMTPUTF8 stands with MAIL, and the address goes out as it is (RFC 6531)."""
    assert sent(server.url, [envelope(recipient="jürgen@example.com")]) == [ACCEPTED]

    taken = server.taken[-1]
    assert (taken.recipient, taken.options) == (
        "jürgen@example.com",
        f"SIZE={len(taken.content)} BODY=8BITMIME SMTPUTF8",
    )


def test_content_that_is_not_ascii_is_announced(server: HostileSmtp) -> None:
    """Without 8BITMIME a server may change it (RFC 6152)."""
    assert sent(server.url, [envelope(body="é\r\n".encode())]) == [ACCEPTED]

    assert server.taken[-1].options.endswith(" BODY=8BITMIME")


@pytest.mark.parametrize("pipelining", [True, False])
def test_commands_are_pipelined_where_that_is_offered(pipelining: bool) -> None:
    """Without it every command waits for the reply to the one before (RFC 2920)."""
    with hostile_smtp(offers=[PIPELINING] if pipelining else []) as server:
        assert sent(server.url, [envelope(), envelope()]) == [ACCEPTED] * 2

        together = ["MAIL FROM:<bounces@example.org>", "RCPT TO:<ann@example.com>", "DATA"]
        assert server.commands[1:] == [*together, *together, "QUIT"]
        assert server.most_at_once == (3 if pipelining else 1)


@pytest.mark.parametrize(
    ("offers", "one", "enhanced", "said"),
    [
        ([EIGHT_BIT], envelope(recipient="jürgen@example.com"), "5.6.7", "no international addresses (SMTPUTF8)"),
        (
            [UTF8, "SIZE 100"],
            envelope(body=b"x" * 100),
            "5.3.4",
            "has 135 bytes, and the SMTP server takes at most 100",
        ),
        ([SIZE], envelope(body="é".encode()), "5.6.1", "no content that is not ASCII (8BITMIME)"),
    ],
)
def test_what_the_server_does_not_take_is_not_sent(offers: list[str], one: Envelope, enhanced: str, said: str) -> None:
    """It said so when the connection began: nothing is sent, and the connection goes on."""
    with hostile_smtp(offers=offers) as server:
        found, after = sent(server.url, [one, envelope()])

        assert isinstance(found, Unsendable)
        assert found.enhanced_code == enhanced
        assert said in found.reason
        assert after == ACCEPTED
        assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("return_path", "recipient"),
    [
        ("a@b.example", "ann@example.com\r\nRCPT TO:<eve@example.com>"),
        ("a@b.example", "ann@example.com> NOTIFY=NEVER"),
        ("a@b.example\nDATA", "ann@example.com"),
        ("a@b.example", "jürgen@example.com"),
        ("a@b.example, x", "ann@example.com"),
        ("a@bücher.example", "ann@example.com"),
        ("a@b.example", '"a\nb"@example.com'),
        ("a@b.example", ""),
    ],
)
def test_an_address_that_is_none_is_never_sent(server: HostileSmtp, return_path: str, recipient: str) -> None:
    """No command and no option can hide in one."""
    before = len(server.taken)

    (found,) = sent(server.url, [Envelope(return_path, recipient, b"Subject: x\r\n\r\n")])

    assert isinstance(found, Unsendable)
    assert found.enhanced_code == ("5.1.3" if return_path == "a@b.example" else "4.1.7")
    assert len(server.taken) == before


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE lots", "SIZE " + "9" * 40])
def test_a_size_that_is_no_limit_limits_nothing(size: str) -> None:
    """RFC 1870: 0, or none, is no fixed limit."""
    with hostile_smtp(offers=[size]) as server:
        assert sent(server.url, [envelope()]) == [ACCEPTED]
