"""A channel, and what it does with third parties' encoders (R7, R11, R16, R22–R24)."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.channel import Channel, Command, StreamTrim
from publisher.domain.errors import EncodingError
from publisher.domain.notification import Notification, Route
from tests import factories

MEBIBYTE = 1024 * 1024


def channel(encode: Callable[[Notification, Route], Any] = lambda _notification, _route: Command(())) -> Channel:
    """A third party's channel with this encoder."""
    return Channel(name="sms", stream="sms:out", encode=encode)


def command_of(encoded: Callable[[], object]) -> Command:
    """What the channel makes of what its encoder returns."""
    return channel(lambda _notification, _route: encoded()).command(factories.notification(), factories.route())


def failure_of(encode: Callable[[Notification, Route], Any]) -> str:
    """The text of the encoding failure that this encoder makes."""
    with pytest.raises(EncodingError) as failed:
        channel(encode).command(factories.notification(), factories.route())
    return str(failed.value)


class Unprintable(Exception):
    """An error whose text is a bug of its own."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "error", [ValueError("no such template"), KeyError("game"), RecursionError(), MemoryError(), Unprintable()]
)
def test_an_encoder_that_raises_fails_its_route_alone(error: Exception) -> None:
    """A third party's bug, of any kind, is this route's encoding failure and no one else's (R7, R11, R24)."""

    def encode(_notification: Notification, _route: Route) -> Command:
        raise error

    message = failure_of(encode)

    assert type(error).__name__ in message
    assert "sms" in message


def test_an_encoders_own_failure_is_kept_as_it_is() -> None:
    """An EncodingError says best itself why there is no command (R7)."""

    def encode(_notification: Notification, _route: Route) -> Command:
        raise EncodingError("the template has no German text")

    assert failure_of(encode) == "the template has no German text"


@pytest.mark.parametrize(
    "encoded",
    [
        lambda: None,
        lambda: "text",
        lambda: {"field": "value"},
        lambda: Command((("count", 7),)),  # type: ignore[arg-type]
        lambda: Command((("count", b"7"),)),  # type: ignore[arg-type]
        lambda: Command((("count", None),)),  # type: ignore[arg-type]
        lambda: Command((("only a name",),)),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_command_is_never_appended(encoded: Callable[[], object]) -> None:
    """An encoder that returns anything but names and values of text fails its route (R24)."""
    with pytest.raises(EncodingError):
        command_of(encoded)


@pytest.mark.parametrize("field", [("name\ud800", "value"), ("name", "\udfff"), ("name", "\ud83d and \ude00")])
def test_half_a_surrogate_pair_makes_no_command(field: tuple[str, str]) -> None:
    """Text that cannot be written as UTF-8 would fail only on its way to Redis, with its whole batch (R11, R23)."""
    with pytest.raises(EncodingError):
        command_of(lambda: Command((field,)))


@pytest.mark.parametrize("character", ["x", "é", "界", "😀"])
def test_a_command_may_be_a_whole_mebibyte(character: str) -> None:
    """1 MiB of UTF-8, names counted, is still a command; one byte more is none (R23)."""
    name = "nom"
    filling = character * ((MEBIBYTE - len(name)) // len(character.encode()))
    filling += "x" * (MEBIBYTE - len(name) - len(filling.encode()))

    assert command_of(lambda: Command(((name, filling),))).size == MEBIBYTE
    with pytest.raises(EncodingError, match="1048577 bytes"):
        command_of(lambda: Command(((name, filling + "x"),)))


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=5))
def test_the_size_is_what_goes_over_the_wire(fields: list[tuple[str, str]]) -> None:
    """A command's size is the bytes of all its names and values together (R23)."""
    assert Command(tuple(fields)).size == len("".join(name + value for name, value in fields).encode())


@pytest.mark.parametrize("name", ["sms", "a", "0", "web-push", "web_push2", "x" * 63])
def test_a_name_that_can_be_a_queues_is_taken(name: str) -> None:
    """A channel's name is its queue's and part of its variables' (R16, R24)."""
    assert Channel(name=name, stream="s", encode=channel().encode).name == name


@pytest.mark.parametrize(
    "name", ["", "SMS", "sms ", "sms\n", "-sms", "_sms", "s.ms", "s:ms", "é", "x" * 64, "sms/7", "email:user"]
)
def test_a_name_that_could_not_be_a_queues_is_refused(name: str) -> None:
    """Lower-case letters, digits, - and _, so that ids, queues and variables made of it are unambiguous (R1, R16)."""
    with pytest.raises(ValueError, match="channel name"):
        Channel(name=name, stream="s", encode=channel().encode)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("stream", ""), ("stream", " \t"), ("max_attempts", 0), ("max_attempts", -1)),
        *(("stream_ceiling", -1), ("stream_max_len", -1), ("stream_retention", timedelta(milliseconds=-1))),
    ],
)
def test_a_channel_out_of_bounds_is_refused(field: str, value: object) -> None:
    """A channel has a stream, at least one attempt, and no negative ceiling or retention (R13, R24)."""
    whole: dict[str, Any] = {"name": "sms", "stream": "sms:out", "encode": channel().encode}

    with pytest.raises(ValueError, match="channel sms needs"):
        Channel(**{**whole, field: value})


def test_a_channel_may_try_once_and_keep_everything() -> None:
    """One attempt, no ceiling and no retention are within bounds (R3, R13)."""
    once = replace(channel(), max_attempts=1, stream_ceiling=0, stream_retention=timedelta(0))

    assert (once.max_attempts, once.stream_ceiling, once.stream_retention) == (1, 0, timedelta(0))


def test_the_old_name_of_the_ceiling_is_understood() -> None:
    """A third party's channel of an earlier release gives its stream's length: it is the ceiling now (R13, R24)."""
    old = Channel(name="sms", stream="sms:out", encode=channel().encode, stream_max_len=50)

    assert old.stream_ceiling == 50
    assert replace(old, stream_ceiling=7).stream_ceiling == 7
    assert replace(old, max_attempts=2).stream_ceiling == 50


@pytest.mark.parametrize(("trim", "number"), [("acknowledged", 50), ("never", 50), ("length", 0)])
def test_a_stream_that_is_trimmed_by_its_length_holds_nothing_back(trim: str, number: int) -> None:
    """Where the oldest commands go anyway, the ceiling is only what is left of them (R13)."""
    assert replace(channel(), stream_ceiling=50, stream_trim=StreamTrim(trim)).holds_back_at == number


def test_a_third_partys_channel_needs_only_name_stream_and_encoder() -> None:
    """The rest has defaults: known users are reached, six attempts, a ceiling, the service's backoff (R13, R24)."""
    described = channel()

    assert (described.max_attempts, described.stream_ceiling, described.backoff) == (6, 100_000, None)
    assert (described.stream_retention, described.stream_trim) == (timedelta(days=1), StreamTrim.ACKNOWLEDGED)
    assert described.stream_failure == "sms_stream_publish_failed"


def test_a_channel_is_never_changed() -> None:
    """Every thread and process shares it (R24)."""
    with pytest.raises(FrozenInstanceError):
        channel().stream = "elsewhere"  # type: ignore[misc]
