"""Refuses names of streams under which one stream would be taken for another, or its keys fall apart (R37)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from publisher.domain.channel import Channel
from publisher.domain.stream_address import StreamAddress, read_address
from publisher.settings.stream_servers import EVENTS, INTENTS, StreamRedis, place_of
from publisher.settings.types import PREFIX

_INTENTS, _EVENTS = f"{PREFIX}INTENTS_STREAM", f"{PREFIX}EVENTS_STREAM"


def wrong_stream_names(
    intents: StreamAddress, events: str, channels: Iterable[Channel], servers: Mapping[str, StreamRedis]
) -> Iterator[str]:
    """Yields what is wrong with the names of these streams, each with its variable. servers: by variable."""
    of_service = {
        _INTENTS: replace(intents, server=place_of(servers, INTENTS)),
        _EVENTS: StreamAddress(events, place_of(servers, EVENTS)),
    }
    of_channels = {channel.variable("stream"): channel.location for channel in channels}
    for variable, address in {**of_service, **of_channels}.items():
        rule = _broken_rule(address)
        if rule is not None:
            yield f"{variable}: {rule}, got {address.stream!r}"
    # Channels may share a stream, whose readers tell their commands apart.
    taken: dict[str, str] = {}
    for variable, address in {**of_service, **of_channels}.items():
        same = next((taken[part.stream] for part in address.parts if part.stream in taken), None)
        if same is not None:
            yield f"{variable} and {same} must not name one stream: their entries are of different kinds"
        elif variable in of_service:
            taken |= {part.stream: variable for part in address.parts}


def _broken_rule(address: StreamAddress) -> str | None:
    name = address.stream
    if read_address(name) != StreamAddress(name):
        return "must not read as the address of another stream: no ' @ ', and no ':{0..3}' at its end"
    if address.partitions > 1 and "{" in name:
        return "must have no { where it has partitions: the number of each is its hash tag"
    tag, closed, _ = name.partition("{")[2].partition("}")
    if "+cluster://" in address.server and "}" in name and not (tag and closed):
        return "must have no } without a hash tag before it, where it is in a cluster"
    return None
