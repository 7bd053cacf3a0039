"""The list of Redis keys is whole, and the check after each test finds what differs from it."""

from datetime import timedelta

import pytest
import redis

from publisher.streams import keys
from publisher.streams.keys import KEYS, key_of
from tests.redis_keys import undocumented_keys

HOUR = timedelta(hours=1)


@pytest.mark.stray_keys("plants them")
@pytest.mark.parametrize(
    "name", ["publisher:leak:email", "publisher", "dramatiq:", "leak", "publisher:scan", "publisher:intents-losses:"]
)
def test_a_key_without_an_entry_is_found(name: str, redis_client: redis.Redis) -> None:
    """A key that a change has forgotten to list is named, whatever it begins with."""
    redis_client.set(name, "1", ex=HOUR)

    [found] = undocumented_keys(redis_client)

    assert found.startswith(f"{name}: ")


@pytest.mark.stray_keys("plants them")
def test_a_missing_ttl_is_found(redis_client: redis.Redis) -> None:
    """A key whose entry promises that it expires is named if it never will."""
    redis_client.set(keys.scan_key("email"), 1)
    redis_client.set(keys.scan_key("push"), 1, ex=HOUR)
    redis_client.set(keys.IDENTITY, "it stays")

    assert undocumented_keys(redis_client) == [
        "publisher:scan:email: has no TTL, and its entry publisher:scan:{channel} promises three scan intervals"
    ]


@pytest.mark.stray_keys("plants them")
def test_another_type_is_found(redis_client: redis.Redis) -> None:
    """A key that holds another type than its entry says is named."""
    redis_client.rpush(keys.IDENTITY, "a")

    assert undocumented_keys(redis_client) == [
        "publisher:identity: is a list, and its entry publisher:identity says string"
    ]


def test_every_name_has_its_own_entry() -> None:
    """The functions that make names make those that the list describes, whatever the stream and channel are called."""
    made = {
        keys.witness_key("mail:commands", "a/b", 2): "publisher:witness:{slot}:{delivery}",
        keys.counted_key("{x}y"): "publisher:unread:{slot}",
        keys.limit_key("{x}y", "push"): "publisher:limit:{slot}:{channel}",
        keys.next_look_key("email"): "publisher:next-look:{channel}",
        keys.losses_key("s"): "publisher:intents-losses:{slot}",
        keys.identity_key("s"): "publisher:identity:{slot}",
        keys.mark_key("s\n"): "publisher:intents-mark:{slot}",
        keys.scan_key("email"): "publisher:scan:{channel}",
        keys.scan_run_key("1"): "publisher:scan-run:{run}",
        keys.audit_key("email,push"): "publisher:audit:{channels}",
        keys.look_back_key("email"): "publisher:look-back:{channel}",
        keys.retention_key("commands:email"): "publisher:retention:{work}",
        keys.queue_key("email"): "dramatiq:{queue}",
        f"{keys.queue_key('email')}.DQ": "dramatiq:{queue}",
        f"{keys.queue_key('email')}.DQ.msgs": "dramatiq:{queue}.msgs",
        f"{keys.queue_key('email')}.XQ": "dramatiq:{queue}.XQ",
        keys.wake_key("dramatiq", "email"): "dramatiq:{queue}.wake",
        keys.acks_key("1", "email"): "dramatiq:__acks__.{worker_queue}",
        keys.PROCESSES: keys.PROCESSES,
        keys.IDENTITY: keys.IDENTITY,
        keys.DOCTOR: keys.DOCTOR,
        keys.NAMED: keys.NAMED,
        keys.GIVEN_UP: keys.GIVEN_UP,
        keys.DRAMATIQ_HEARTBEATS: keys.DRAMATIQ_HEARTBEATS,
        keys.DRAMATIQ_QUEUES: keys.DRAMATIQ_QUEUES,
        "mail:commands": "{stream}",
    }

    assert {name: (key_of(name) or KEYS[0]).shape for name in made} == made


def test_an_entry_says_when_its_key_goes_or_why_it_stays() -> None:
    """No key grows old for want of a decision: it expires, or the reason why it does not is written down."""
    assert [key.shape for key in KEYS if (key.expires is None) == (key.stays is None)] == []
