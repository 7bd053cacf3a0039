"""Finds every channel: the two that come with the service, and those that installed packages add (R24)."""

from importlib.metadata import entry_points

from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.channel import Channel
from publisher.domain.errors import SettingsError

ENTRY_POINT_GROUP = "publisher.channels"


def discover_channels() -> dict[str, Channel]:
    """Returns every channel by its name, the built-in ones first.

    An entry point of the group `publisher.channels` names a `Channel` object. Raises SettingsError if an entry point
    cannot be loaded, is not a Channel, or takes a name that is in use.
    """
    channels = {channel.name: channel for channel in (EMAIL, PUSH)}
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP)):
        try:
            channel = entry.load()
        except Exception as error:
            raise SettingsError(f"channel {entry.name} ({entry.value}) cannot be loaded: {error}") from error
        if not isinstance(channel, Channel):
            raise SettingsError(f"channel {entry.name} ({entry.value}) is no publisher.domain.channel.Channel")
        if channel.name in channels:
            raise SettingsError(f"channel {entry.name} ({entry.value}) takes the name {channel.name!r}, in use")
        channels[channel.name] = channel
    return channels
