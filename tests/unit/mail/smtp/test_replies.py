"""Replies of SMTP servers are put together from any pieces, and what is no reply is found out (RFC 5321, 4.2)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.mail.smtp.outcome import Reply
from publisher.mail.smtp.replies import ReplyParser

THREE = b"250 2.1.0 Ok\r\n250-2.1.5 First\r\n250-second\r\n250 third\r\n354 Go ahead\r\n"
READ = [Reply(250, "2.1.0 Ok"), Reply(250, "2.1.5 First second third"), Reply(354, "Go ahead")]


@given(st.lists(st.integers(0, len(THREE))))
def test_replies_are_the_same_however_their_bytes_are_cut(cuts: list[int]) -> None:
    """Pipelined replies come together, or one byte at a time."""
    edges = [0, *sorted(cuts), len(THREE)]
    parser = ReplyParser()

    found = [r for start, end in pairwise(edges) for r in parser.feed(THREE[start:end])]

    assert found == READ


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"250\r\n", Reply(250, "")),
        (b"250 \n", Reply(250, "")),
        (b"250-\r\n250 b\r\n", Reply(250, " b")),
        (b"550 caf\xe9 \xf0\x9f\x98\x80\r\n", Reply(550, "caf\ufffd 😀")),
        (b"550 a\x00b\x1bc\rd\r\n", Reply(550, "a b c d")),
    ],
)
def test_careless_replies_are_understood(data: bytes, reply: Reply) -> None:
    """A code is enough; control characters never get further."""
    assert ReplyParser().feed(data) == [reply]


@pytest.mark.parametrize(
    "data",
    [b"hello\r\n", b"\r\n", b"25 Ok\r\n", b"2500 Ok\r\n", b"150 Ok\r\n", b"650 Ok\r\n", b"250_Ok\r\n", b" 250\n"],
)
def test_what_is_no_reply_is_an_error(data: bytes) -> None:
    """Another server listens there, or the two sides are out of step."""
    with pytest.raises(ValueError, match="its reply is no SMTP"):
        ReplyParser().feed(data)


@pytest.mark.parametrize("piece", [b"250-more\r\n" * 10_000, b"2" * 70_000])
def test_a_reply_that_never_ends_is_an_error(piece: bytes) -> None:
    """It does not fill the memory."""
    with pytest.raises(ValueError, match="longer than"):
        ReplyParser().feed(piece)
