"""Commands with many arguments are written as redis-py writes them."""

import pytest
from redis.connection import HiredisRespSerializer
from redis.exceptions import DataError

from publisher.streams.servers.command_packer import CommandPacker


@pytest.mark.parametrize("count", [1, 199, 5_000])
@pytest.mark.parametrize("argument", ["text", "naïve 😀", b"\x00\xff", 7, 0.1, bytearray(b"old"), memoryview(b"seen")])
def test_the_bytes_are_those_of_redis_py(argument: object, count: int) -> None:
    """Whatever the arguments are, and however many, Redis gets the same command."""
    command = ("EVALSHA", "digest", *[argument] * count)

    assert CommandPacker().pack(*command) == HiredisRespSerializer().pack(*command)


@pytest.mark.parametrize("count", [1, 5_000])
def test_an_argument_that_is_no_value_is_refused(count: int) -> None:
    """With the error of redis-py, however many there are."""
    with pytest.raises(DataError):
        CommandPacker().pack("EVALSHA", *[None] * count)
