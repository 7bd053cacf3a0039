"""Where a command goes is one text, which a route remembers (R12)."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.stream_address import BEFORE_SERVER, StreamAddress, read_address

names = st.text(min_size=1).filter(lambda text: BEFORE_SERVER not in text and text == text.strip())
SERVER = "redis+sentinel://a:26379,b:26379/mail@primary/0"


@given(
    names, st.sampled_from(["", "redis://push.example:6379/0", "redis+cluster://a:6379,b:6379"]), st.integers(1, 256)
)
def test_an_address_is_read_as_it_was_written(stream: str, server: str, partitions: int) -> None:
    """Whatever the stream is named, and however many partitions it has."""
    address = StreamAddress(stream, server, partitions)

    assert read_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "stream", "server"),
    [
        ("mail:delivery_commands", "mail:delivery_commands", ""),
        ("mail:delivery_commands @ redis://h:1/0", "mail:delivery_commands", "redis://h:1/0"),
        (f"a stream @ {SERVER}", "a stream", SERVER),
        (" @ redis://h:1/0", " @ redis://h:1/0", ""),
        ("commands:{3}", "commands:{3}", ""),
    ],
)
def test_a_stream_of_another_redis_says_which(text: str, stream: str, server: str) -> None:
    """A stream on the Redis of REDIS_URL is its name alone, as releases before wrote it."""
    assert read_address(text) == StreamAddress(stream, server)


def test_a_partition_is_a_stream_with_a_slot_of_its_own() -> None:
    """Its number is its hash tag, and it is on the Redis of the others (R37)."""
    address = read_address(f"mail:{{0..2}} @ {SERVER}")

    assert address == StreamAddress("mail", SERVER, 3)
    assert [str(part) for part in address.parts] == [f"mail:{{{n}}} @ {SERVER}" for n in range(3)]
    assert StreamAddress("mail").parts == [StreamAddress("mail")]


def test_an_id_has_one_partition() -> None:
    """Consumers, producers and other languages find the same one: CRC-32 modulo the number of partitions (R37)."""
    address = StreamAddress("mail", partitions=8)

    assert address.part("01234567-89ab-cdef-0123-456789abcdef/user:42:email").stream == "mail:{2}"
    assert StreamAddress("mail").part("anything").stream == "mail"
    spread = Counter(address.part(f"n-{number}/r").stream for number in range(8000))
    assert len(spread) == 8
    assert min(spread.values()) > 800


def test_the_streams_that_one_may_have_been_are_named() -> None:
    """As one, in other partitions, or on the Redis of REDIS_URL: where a deploy may have left something unread."""
    earlier = [str(each) for each in StreamAddress("mail", "redis://h:1/0", 2).earlier(3)]

    assert earlier == [
        "mail @ redis://h:1/0",
        "mail:{2} @ redis://h:1/0",
        *("mail", "mail:{0}", "mail:{1}", "mail:{2}"),
    ]
    assert [str(each) for each in StreamAddress("mail").earlier(2)] == ["mail:{0}", "mail:{1}"]
