"""Checks the names that an operator gave: an unknown name is an error, never a filter that matches nothing."""

from collections.abc import Mapping

from publisher.domain.attempt import LEASE_EXPIRED, PAYLOAD_ENCODING_FAILED
from publisher.domain.channel import Channel
from publisher.domain.errors import BadRequest
from publisher.domain.names import no_such
from publisher.settings.settings import Settings
from storage import names
from storage.database import Database


def installed_channel(settings: Settings, name: str) -> str:
    """Returns the name if such a channel is installed. Raises BadRequest, which names the channels that are."""
    if name not in settings.channels:
        raise BadRequest(no_such("channel", name, settings.channels))
    return name


def known_classifications(channels: Mapping[str, Channel]) -> list[str]:
    """Returns the failures that a route of one of these channels can be given up for."""
    return [PAYLOAD_ENCODING_FAILED, LEASE_EXPIRED, *sorted({c.stream_failure for c in channels.values()})]


def check_names(database: Database, settings: Settings, *, channel: str | None, classification: str | None) -> None:
    """Raises BadRequest for a channel or a classification that is neither installed nor on record."""
    if channel is not None and channel not in settings.channels and not names.channel_occurs(database, channel):
        raise BadRequest(no_such("channel", channel, settings.channels))
    classifications = known_classifications(settings.channels)
    if (
        classification is not None
        and classification not in classifications
        and not names.classification_occurs(database, classification)
    ):
        raise BadRequest(no_such("classification", classification, classifications))


def check_type(database: Database, name: str | None) -> None:
    """Raises BadRequest for a notification type that nothing on record has. Costly: to be called if nothing matched."""
    if name is not None and not names.type_occurs(database, name):
        raise BadRequest(no_such("notification type", name, names.recent_types(database)))
