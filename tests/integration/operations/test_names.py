"""Names that an operator gave: which are unknown, told by the newest records alone."""

import pytest

from publisher.domain.errors import BadRequest
from publisher.operations.names import check_channel, check_classification, check_type, near_producers
from publisher.settings.settings import Settings
from storage.database import Database
from storage.dead_letters import DeadLetterFilter, dead_letter_ids, discard
from storage.ids.names import NEWEST, newest_types
from tests.factories import accepted
from tests.integration.rows import bury_something, execute

MANY = f"""
INSERT INTO notifications (notification_id, notification_type, producer, audience_kind, idempotency_key,
                           request_fingerprint, payload, occurred_at, accepted_at)
SELECT gen_random_uuid(), CASE n WHEN 1 THEN 'once.long.ago' ELSE 'game.turn.ready' END, 'game-service', 'user',
       'turn-' || n, '', '{{}}', '2026-03-14Z', '2026-03-14Z'::timestamptz + n * interval '1 s'
FROM generate_series(1, {NEWEST + 2}) AS n
"""


def test_an_empty_system_has_no_name(database: Database) -> None:
    """The names are all that there are: none."""
    found = newest_types(database)

    assert (list(found.names), found.complete) == ([], True)


def test_a_type_is_unknown_if_every_record_was_looked_at(database: Database) -> None:
    """Also one that is spelled like none."""
    accepted(database)

    check_type(database, "game.turn.ready")
    with pytest.raises(BadRequest, match=r"^there is no notification type 'sms'; notification types: game.turn.ready$"):
        check_type(database, "sms")


def test_among_many_records_a_type_is_unknown_only_if_it_is_near_another(database: Database) -> None:
    """A type that only older records have is no mistake, although the newest do not show it."""
    execute(database, MANY)

    check_type(database, "once.long.ago")
    with pytest.raises(BadRequest, match=r"among the newest 10,000 notifications; did you mean game.turn.ready\?"):
        check_type(database, "game.trun.ready")


def test_a_classification_on_record_is_known(database: Database, settings: Settings) -> None:
    """Of a channel that was removed, too; those of the installed channels need no record."""
    accepted(database)
    bury_something(database)
    execute(database, "UPDATE dead_letters SET classification = 'fax_failed'")

    check_classification(database, settings, "fax_failed")
    check_classification(database, settings, "lease_expired")
    with pytest.raises(BadRequest, match="did you mean fax_failed"):
        check_classification(database, settings, "fax_faild")


def test_a_channel_is_known_by_its_dead_letters(database: Database, settings: Settings) -> None:
    """Also by those that were discarded, whose routes stand in no index."""
    accepted(database)
    bury_something(database)
    execute(database, "UPDATE dead_letters SET channel = 'fax'")
    check_channel(database, settings, "fax")
    discard(database, dead_letter_ids(database, DeadLetterFilter(), before=None, limit=9), "ann")

    check_channel(database, settings, "fax")
    with pytest.raises(BadRequest, match="there is no channel 'fx'"):
        check_channel(database, settings, "fx")


def test_a_near_producer_is_found(database: Database) -> None:
    """None for a producer that there is."""
    accepted(database)

    assert near_producers(database, "game-servce") == ["game-service"]
    assert near_producers(database, "game-service") == []
