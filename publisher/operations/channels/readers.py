"""Who reads the commands of each channel, how far and since when, and what is wrong with that (R27)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from publisher.domain.channel import Channel, StreamTrim
from publisher.domain.errors import PublisherError
from publisher.settings.settings import Settings
from publisher.streams.group_reading import read_groups
from publisher.streams.groups import Group, StreamGroups, together
from publisher.streams.servers.stream_servers import StreamServers


@dataclass(frozen=True, slots=True)
class CommandReaders:
    """Who reads the stream of a channel.

    found: the error instead of the groups, if Redis refused to show them, or the channel's own Redis is away. Of
        partitions, their groups together.
    partitions: who reads each of them, by its stream, or why that could not be read; empty: the channel has one stream.
    """

    channel: Channel
    found: StreamGroups | PublisherError
    partitions: Mapping[str, StreamGroups | PublisherError] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The channel's name."""
        return self.channel.name

    @property
    def stream(self) -> str:
        """The channel's stream; of partitions the names of all, as `commands:{0..7}`."""
        return self.channel.location.names

    @property
    def needs_group(self) -> bool:
        """Whether commands are kept until a group has acknowledged them."""
        return self.channel.stream_trim is not StreamTrim.LENGTH

    @property
    def groups(self) -> Sequence[Group]:
        """The groups; none if they could not be read."""
        return () if isinstance(self.found, PublisherError) else self.found.groups

    @property
    def unread_by_all(self) -> int:
        """How many commands stand on a stream that no group reads; 0 if a group reads it, or nobody can tell."""
        return 0 if isinstance(self.found, PublisherError) or self.found.groups else self.found.length

    @property
    def reading_nothing(self) -> Sequence[Group]:
        """The groups that leave commands unread and ask for none."""
        return [group for group in self.groups if group.reads_nothing]

    @property
    def leaving_partitions(self) -> Sequence[tuple[Group, Sequence[str]]]:
        """The groups that read some partitions, and of others leave commands unread and ask for none.

        Each as it is on those others, with their streams: so it is after their number was raised, if consumers were not
        told.
        """
        found = list[tuple[Group, Sequence[str]]]()
        for name in [group.name for group in self.groups if self.partitions and not group.reads_nothing]:
            streams = self.streams_where(name, lambda part: part.reads_nothing)
            left = [self.partitions[stream] for stream in streams]
            if left:
                groups = together([each for each in left if isinstance(each, StreamGroups)])
                found.append((groups.state(name), streams))
        return found

    def streams_where(self, group: str, has: Callable[[Group], bool]) -> Sequence[str]:
        """Returns the streams on which the group of this name is as asked: commands of Redis name one at a time."""
        every = self.partitions or {self.channel.stream: self.found}
        known = {stream: found for stream, found in every.items() if isinstance(found, StreamGroups)}
        return [stream for stream, found in known.items() if has(found.state(group))]

    @property
    def holding_for_the_gone(self) -> Sequence[Group]:
        """The groups in which a consumer that is gone holds commands."""
        return [group for group in self.groups if group.gone]


def command_readers(servers: StreamServers, channels: Mapping[str, Channel]) -> Mapping[str, CommandReaders]:
    """Reads who reads the stream of each channel. Raises RedisUnavailable for the Redis of REDIS_URL alone."""
    return _of(channels, servers.on_each(_parts(channels), read_groups))


@dataclass(frozen=True, slots=True)
class StreamReaders:
    """Who reads the service's streams.

    intents: the service's group on the intents stream; the error instead, if its own Redis did not show that.
    events: its group on the stream of delivery events; None: Redis did not show that.
    channels: who reads the commands, by channel.
    """

    intents: Group | PublisherError
    events: Group | None
    channels: Mapping[str, CommandReaders]


def read_streams(servers: StreamServers, settings: Settings) -> StreamReaders:
    """Reads who reads the streams of intents, of delivery events and of each channel, together.

    Raises RedisUnavailable for the Redis of REDIS_URL alone, and RedisRefused for an intents stream there: any other
    error is a value.
    """
    streams = [*settings.intents_streams, settings.events_stream, *_parts(settings.channels)]
    found = servers.on_each(streams, read_groups)
    intents = _together([found[stream] for stream in settings.intents_streams])
    if isinstance(intents, PublisherError) and not settings.intents_server:
        raise intents
    events = found[settings.events_stream]
    return StreamReaders(
        intents if isinstance(intents, PublisherError) else intents.state(settings.intents_group),
        None if isinstance(events, PublisherError) else events.state(settings.events_group),
        _of(settings.channels, found),
    )


def _of(
    channels: Mapping[str, Channel], found: Mapping[str, StreamGroups | PublisherError]
) -> Mapping[str, CommandReaders]:
    return {name: _readers(channel, found) for name, channel in sorted(channels.items())}


def _readers(channel: Channel, found: Mapping[str, StreamGroups | PublisherError]) -> CommandReaders:
    parts = {part.stream: found[str(part)] for part in channel.streams}
    return CommandReaders(channel, _together([*parts.values()]), parts if len(parts) > 1 else {})


def _parts(channels: Mapping[str, Channel]) -> list[str]:
    return [str(part) for channel in channels.values() for part in channel.streams]


def _together(parts: Sequence[StreamGroups | PublisherError]) -> StreamGroups | PublisherError:
    """Returns who reads the partitions of a channel; the error instead, if one of them could not be read."""
    error = next((part for part in parts if isinstance(part, PublisherError)), None)
    return error or together([part for part in parts if isinstance(part, StreamGroups)])
