"""What `publisher doctor` finds out about the readers of the commands, on real streams (R27)."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from publisher.doctor.verdict import Verdict
from publisher.local.mail_environ import TEMPLATES
from publisher.streams import groups
from publisher.streams.heartbeats import Process, ProcessRegister
from tests.integration.doctor.examined import Examined, amiss
from tests.named_streams import named_before
from tests.smtp_servers import hostile_smtp
from tests.valkeys import OwnValkey
from tests.waiting import wait_until

MAIL = "mail:delivery_commands"
CHECKS = ("commands-groups", "commands-pending")


def idle(client: redis.Redis, group: str) -> int:
    """The milliseconds since the group's only consumer asked for entries."""
    [consumer] = client.xinfo_consumers(MAIL, group)
    return int(consumer["idle"])


def test_commands_without_a_group_are_a_warning(examined: Examined, redis_client: redis.Redis) -> None:
    """Nobody reads them, as far as Redis knows; a group from the beginning is enough to mend that."""
    redis_client.xadd(MAIL, {"n": 1})

    found = examined()
    redis_client.xgroup_create(MAIL, "mail-service", "0")

    assert amiss(found) == {"commands-groups": Verdict.WARNING}
    assert "email: 1 command on mail:delivery_commands, and no group reads it" in found["commands-groups"].finding
    assert amiss(examined()) == {}


def test_a_group_that_reads_nothing_is_a_warning(examined: Examined, redis_client: redis.Redis) -> None:
    """A command has waited for an hour, and no consumer ever asked; one that asks is enough."""
    hour_ago = redis_client.time()[0] * 1000 - 3_600_000
    redis_client.xadd(MAIL, {"n": 1}, id=f"{hour_ago}-0")
    redis_client.xadd(MAIL, {"n": 2})
    redis_client.xgroup_create(MAIL, "mail-service", "0")

    found = examined()["commands-groups"]

    assert found.verdict is Verdict.WARNING
    assert found.finding.startswith("email: group mail-service reads nothing: 2 unread, the first for 1 h")
    assert found.finding.endswith(", and no consumer ever asked")
    redis_client.xgroup_setid(MAIL, "mail-service", "0")
    redis_client.xgroup_createconsumer(MAIL, "mail-service", "one")
    assert examined()["commands-groups"].verdict is Verdict.OK


def test_commands_of_a_dead_consumer_are_a_warning(
    examined: Examined, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It read a command, has asked for none since, and nobody took over; an acknowledgement mends it."""
    monkeypatch.setattr(groups, "SILENT", timedelta(milliseconds=100))
    entry = redis_client.xadd(MAIL, {"n": 1})
    redis_client.xgroup_create(MAIL, "mail-service", "0")
    redis_client.xreadgroup("mail-service", "mail-1", {MAIL: ">"})
    wait_until(lambda: idle(redis_client, "mail-service") > 100)

    found = examined()

    assert amiss(found) == {"commands-pending": Verdict.WARNING}
    assert found["commands-pending"].finding.startswith("email: group mail-service: 1 held by consumers silent for")
    redis_client.xack(MAIL, "mail-service", entry)
    assert amiss(examined()) == {}


@pytest.mark.stray_keys("plants a key of another type")
def test_a_key_that_is_no_stream_leaves_the_other_channel_judged(examined: Examined, redis_client: redis.Redis) -> None:
    """What could not be read is told beside what was (R35)."""
    redis_client.set(MAIL, "x")
    redis_client.xadd("gateway:client_events", {"n": 1})

    found = examined()["commands-groups"]

    assert found.verdict is Verdict.WARNING
    assert "mail:delivery_commands could not be read: Redis refused: WRONGTYPE" in found.finding
    assert "push: 1 command on gateway:client_events, and no group reads it" in found.finding


def test_mail_that_nobody_sends_is_a_warning(examined: Examined, redis_client: redis.Redis) -> None:
    """An SMTP server is set, and no mailer runs; one that gives a sign of life is enough (R33)."""
    with hostile_smtp() as server:
        sends = {
            "PUBLISHER_SMTP_URL": server.url,
            "PUBLISHER_MAIL_FROM": "ann@example.com",
            "PUBLISHER_MAIL_TEMPLATES": str(TEMPLATES),
        }

        assert examined()["mail"].verdict is Verdict.OK
        assert amiss(examined(**sends)) == {"mail": Verdict.WARNING}
        started = datetime.now(UTC)
        ProcessRegister(redis_client).sign(Process("a", "mailer", "web-1", 7, started, "1"))
        assert amiss(examined(**sends)) == {}


def test_what_waits_on_streams_that_were_given_up_is_a_warning(examined: Examined, redis_client: redis.Redis) -> None:
    """Another number of partitions leaves it to readers of the number before; once all is done with, all is well."""
    redis_client.xadd(MAIL, {"n": 1})
    redis_client.xgroup_create(MAIL, "mail-service", "0")
    redis_client.xadd("notification:intents:{7}", {"n": 2})

    found = examined(PUBLISHER_EMAIL_PARTITIONS="2", PUBLISHER_INTENTS_PARTITIONS="4")["streams-given-up"]

    assert found.verdict is Verdict.WARNING
    assert f"{MAIL} on the Redis of REDIS_URL (1)" in found.finding
    assert "notification:intents:{7} on the Redis of REDIS_URL (1)" in found.finding
    redis_client.delete("notification:intents:{7}")
    [[_, [(entry, _)]]] = redis_client.xreadgroup("mail-service", "one", {MAIL: ">"})
    redis_client.xack(MAIL, "mail-service", entry)
    again = examined(PUBLISHER_EMAIL_PARTITIONS="2", PUBLISHER_INTENTS_PARTITIONS="4")
    assert again["streams-given-up"].verdict is Verdict.OK


def test_a_stream_that_was_given_up_and_may_not_be_read_is_not_said_to_be_empty(
    examined: Examined, redis_client: redis.Redis, redis_url: str
) -> None:
    """Rights for the streams of today alone hide that of before: nobody must delete it for doctor's word."""
    redis_client.xadd(MAIL, {"n": 1})
    hidden = ["reset", "on", ">secret", "~publisher:*", "~dramatiq*", f"~{MAIL}:*", "~gateway*", "~notification*"]
    redis_client.execute_command("ACL", "SETUSER", "app", *hidden, "+@all")
    today = {"REDIS_URL": redis_url.replace("redis://", "redis://app:secret@"), "PUBLISHER_EMAIL_PARTITIONS": "2"}
    try:
        guessed = examined(**today)["streams-given-up"]
        named_before(redis_client, MAIL)
        known = examined(**today)["streams-given-up"]
    finally:
        redis_client.execute_command("ACL", "DELUSER", "app")

    assert guessed.finding == "nothing waits on a stream that was given up, among those that this user may read"
    assert known.verdict is Verdict.UNKNOWN
    assert known.finding.endswith(f": {MAIL} on the Redis of REDIS_URL")


def test_what_waits_on_the_redis_that_intents_moved_to_was_not_given_up(
    examined: Examined, redis_client: redis.Redis, own_client: redis.Redis, own_valkey: OwnValkey
) -> None:
    """A stream of one name stands on both: each is asked for on its own Redis. One that was renamed is known, too."""
    named_before(redis_client, "renamed")
    redis_client.xadd("renamed", {"n": 1})
    own_client.xadd("notification:intents", {"n": 1})

    found = examined(PUBLISHER_INTENTS_REDIS_URL=own_valkey.url)["streams-given-up"]

    assert found.finding == "entries wait on streams that were given up: renamed on the Redis of REDIS_URL (1)"
