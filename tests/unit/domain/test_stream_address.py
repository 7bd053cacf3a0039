"""Where a command goes is one text, which a route remembers (R12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.stream_address import BEFORE_SERVER, StreamAddress, read_address

names = st.text(min_size=1).filter(lambda text: BEFORE_SERVER not in text and text == text.strip())
SERVER = "redis+sentinel://a:26379,b:26379/mail@primary/0"


@given(names, st.sampled_from(["", "redis://push.example:6379/0", "redis+cluster://a:6379,b:6379"]))
def test_an_address_is_read_as_it_was_written(stream: str, server: str) -> None:
    """Whatever the stream is named."""
    address = StreamAddress(stream, server)

    assert read_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "stream", "server"),
    [
        ("mail:delivery_commands", "mail:delivery_commands", ""),
        ("mail:delivery_commands @ redis://h:1/0", "mail:delivery_commands", "redis://h:1/0"),
        (f"a stream @ {SERVER}", "a stream", SERVER),
        (" @ redis://h:1/0", " @ redis://h:1/0", ""),
    ],
)
def test_a_stream_of_another_redis_says_which(text: str, stream: str, server: str) -> None:
    """A stream on the Redis of REDIS_URL is its name alone, as releases before wrote it."""
    assert read_address(text) == StreamAddress(stream, server)
