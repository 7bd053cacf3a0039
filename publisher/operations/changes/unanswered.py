"""Finds which published routes count as unanswered (R32), so that they can be published again (R3)."""

from dataclasses import dataclass, replace

from publisher.domain.answer import AnswerIs
from publisher.operations.changes.republish import PublishedFilter
from publisher.operations.names import installed_channel
from publisher.settings.settings import Settings
from storage.answers.unanswered import unanswered_window
from storage.database import Database


@dataclass(frozen=True, slots=True)
class NothingMissed:
    """No route of the channel can be unanswered. why: says so in one line."""

    why: str


def unanswered(
    database: Database, settings: Settings, channel: str, matching: PublishedFilter
) -> PublishedFilter | NothingMissed:
    """Returns the filter with the window in which a route must have been published to be unanswered, see R32.

    Of a window that it has already, what lies in both is left. Raises BadRequest for a channel that is not installed.
    """
    expected = settings.channels[installed_channel(settings, channel)]
    if not expected.answer_within:
        return NothingMissed(f"no answer is expected on {channel}: see {expected.variable('answer_within')}")
    found = unanswered_window(database, channel, expected.answer_within)
    if found is None:
        return NothingMissed(f"nobody has ever answered on {channel}: no answer is missed there")
    since, until = found
    since, until = max(since, matching.since or since), min(until, matching.until or until)
    return replace(matching, channel=channel, answer=AnswerIs.NONE, since=since, until=until)
