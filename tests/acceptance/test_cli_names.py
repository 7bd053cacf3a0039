"""A name that nothing has is a mistake that is named, never a filter that matches nothing."""

import pytest

from publisher.domain.notification import RouteStatus
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import Outside
from tests.factories import accepted

ALL = "channels: email, push"
CLASSIFICATIONS = (
    "classifications: gateway_stream_publish_failed, lease_expired, mail_stream_publish_failed, payload_encoding_failed"
)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("dead-letters requeue --channel emial --yes", f"there is no channel 'emial'; did you mean email? {ALL}"),
        ("dead-letters requeue --channel emial --dry-run", f"there is no channel 'emial'; did you mean email? {ALL}"),
        ("dead-letters list --channel emial", f"there is no channel 'emial'; did you mean email? {ALL}"),
        ("routes list --channel pigeon", f"there is no channel 'pigeon'; {ALL}"),
        ("routes republish --since 2026-03-14 --channel phus", f"there is no channel 'phus'; did you mean push? {ALL}"),
        ("scheduler scan emails", f"there is no channel 'emails'; did you mean email? {ALL}"),
        ("channels resume emails", f"there is no channel 'emails'; did you mean email? {ALL}"),
        (
            "dead-letters requeue --classification mail_stream_failed --yes",
            f"did you mean mail_stream_publish_failed? {CLASSIFICATIONS}",
        ),
        (
            "dead-letters list --classification lease_expierd",
            f"there is no classification 'lease_expierd'; did you mean lease_expired? {CLASSIFICATIONS}",
        ),
        *(
            (
                f"{command} --type game.trun.ready",
                "'game.trun.ready'; did you mean game.turn.ready? notification types: game.turn.ready",
            )
            for command in (
                "dead-letters requeue --yes",
                "dead-letters list",
                "routes list",
                "routes republish --since 2026-03-14 --yes",
            )
        ),
        ("malformed list --code unknown_chanel", "unknown_channel"),
        ("malformed resubmit --unchanged --code unknown_chanel", "unknown_channel"),
        ("routes list --status publisht", "published"),
    ],
)
def test_a_name_that_nothing_has_is_refused(command: str, said: str, database: Database, publisher: Publisher) -> None:
    """Exit code 2 and one line that says what there is, and which was meant."""
    accepted(database)

    done = publisher(*command.split())

    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_channel_that_is_not_installed_any_more_is_found_by_its_name(
    database: Database, outside: Outside, publisher: Publisher
) -> None:
    """What is on record of a channel can be asked for, whether it is installed or not."""
    accepted(database)
    outside.rows("UPDATE routes SET channel = 'fax' WHERE channel = 'push'")

    done = publisher("routes", "list", "--channel", "fax", "--json")

    assert done.returncode == 0
    assert '"fax"' in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "dead-letters requeue --channel email --type game.turn.ready --classification lease_expired --yes",
        "dead-letters list --channel push --type game.turn.ready",
        f"routes list --type game.turn.ready --status {RouteStatus.DEAD_LETTER}",
    ],
)
def test_names_that_exist_may_match_nothing(command: str, database: Database, publisher: Publisher) -> None:
    """Nothing to do is no mistake: exit code 0."""
    accepted(database)

    done = publisher(*command.split())

    assert done.returncode == 0, done.stderr
