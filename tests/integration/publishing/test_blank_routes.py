"""Blank routes: those of an earlier release have no group until a claim by shares gives them theirs (R15, R31)."""

from datetime import timedelta

import pytest

from publisher.publishing import sharing
from publisher.publishing.policy import Policy
from publisher.publishing.sharing import Sharing
from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from storage.holds import HoldCriteria, add_hold
from tests.factories import CHANNELS
from tests.integration.publishers import BACKOFF, publisher
from tests.integration.publishing.draining import drain, due, published
from tests.integration.rows import change


def test_routes_of_an_earlier_release_are_filled_in_and_go(database: Database, streams: OutboundStreams) -> None:
    """A claim by shares fills them in, asks for another claim, and that one knows what they are (R15, R29)."""
    ids = [*due(database, 3, producer="shop", lane="bulk"), *due(database, 3, producer="game", lane="bulk")]
    change(database, ids, "producer = '', notification_type = '', group_key = NULL")
    add_hold(database, HoldCriteria(producer="game"), "a wrong price", "ann")

    drain(publisher(database, streams))

    assert published(database) == {"shop": 3}


def test_blank_routes_of_another_channel_keep_none_waiting(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim fills in all that there is time for, of whichever channel, and the next one finds its own (R15)."""
    monkeypatch.setattr(sharing, "_FILLED", 2)
    change(database, due(database, 7, producer="shop"), "channel = 'push', group_key = NULL")
    [blank] = due(database, 1, producer="game")
    change(database, [blank], "group_key = NULL, next_attempt_at = now()")
    add_hold(database, HoldCriteria(producer="shop"), "a wrong price", "ann")

    by = Sharing(database, Policy(timedelta(seconds=30), 10, BACKOFF))

    assert [claimed(by), claimed(by)] == [[], [blank]]


def test_blank_routes_are_looked_for_seldom_while_there_are_none(database: Database) -> None:
    """Those of a release that still runs wait some seconds (R15)."""
    clock = [10.0]
    add_hold(database, HoldCriteria(producer="shop"), "a wrong price", "ann")
    by = Sharing(database, Policy(timedelta(seconds=30), 10, BACKOFF), lambda: clock[0])
    assert claimed(by) == []
    ids = due(database, 1, producer="game")
    change(database, ids, "group_key = NULL")

    assert [claimed(by), claimed(by)] == [[], []]
    clock[0] = 15.0
    assert [claimed(by), claimed(by)] == [[], ids]


def claimed(by: Sharing) -> list[int]:
    """What one claim of the channel email takes."""
    batch = by.claim(CHANNELS["email"], 10, hoped=False, through_parking=False)
    assert batch is not None
    return batch.claim.ids
