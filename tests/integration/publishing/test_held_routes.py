"""Publishing beside holds: what is held stays, and everything else goes (R29)."""

import redis

from publisher.streams.outbound import OutboundStreams
from storage.database import Database
from storage.holds import HoldCriteria, add_hold, remove_hold
from tests.integration.publishers import publisher
from tests.integration.publishing.circuit_breakers import EMAIL, PROBING, probe_is_due, refuse, worker
from tests.integration.publishing.draining import drain, due, published
from tests.integration.rows import all_routes


def test_what_is_held_stays(database: Database, streams: OutboundStreams) -> None:
    """Everything else is published, and what was held once the hold is removed (R29)."""
    due(database, 5, producer="shop")
    held = due(database, 5, producer="game")
    hold = add_hold(database, HoldCriteria(producer="game"), "a wrong price", "ann")
    by = publisher(database, streams, batch_size=2)

    drain(by)
    by.publish_these("email", held)

    assert published(database) == {"shop": 5}
    assert {row["attempt_count"] for row in all_routes(database)} == {0}
    remove_hold(database, hold.id)
    drain(by)
    assert published(database) == {"shop": 5, "game": 5}


def test_recipients_that_are_held_are_passed_over(database: Database, streams: OutboundStreams) -> None:
    """Their routes stand among others of their group: those go (R29)."""
    due(database, 30)
    for user in range(20):
        add_hold(database, HoldCriteria(recipient_ref=f"user:{user}"), "a wrong price", "ann")

    drain(publisher(database, streams, batch_size=3))

    assert published(database, "recipient_ref") == {f"user:{n}": 1 for n in range(20, 30)}


def test_a_probe_takes_nothing_that_is_held(database: Database, streams: OutboundStreams, broken: redis.Redis) -> None:
    """A parked channel is tried with routes that may go (R29)."""
    due(database, 3, producer="game")
    by = worker(database, streams)
    refuse(database, by, 3)
    due(database, 3, producer="shop")
    add_hold(database, HoldCriteria(producer="game"), "a wrong price", "ann")
    broken.delete(EMAIL)
    probe_is_due(database)

    by.publish_due("email")

    assert published(database)["game"] == 0
    assert published(database)["shop"] > 0
    assert PROBING.batch >= 1
