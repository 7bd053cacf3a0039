"""What the loss audit does where a witness is gone alone: a command that stands on its stream is no loss (R12a)."""

from collections.abc import Callable

import redis

from actors.context import Context
from actors.maintenance import audit_published
from publisher.channels.email import EMAIL
from storage.database import Database
from tests.integration.publishers import commands, logged
from tests.integration.publishing.test_audit import deliveries, lose, pending, publish

Install = Callable[..., Context]
WITNESSES = "publisher:witness:*"


def test_a_command_that_stands_without_its_witness_is_not_sent_again(
    install: Install, database: Database, redis_client: redis.Redis
) -> None:
    """Redis evicts witnesses, or its clock is set: commands that stand are no loss, and are known again (R12a)."""
    context = install()
    audit_published("email")
    ids = publish(context, database, 120)
    lose(redis_client, database, ids[0])
    witnesses = redis_client.keys(WITNESSES)
    redis_client.delete(*witnesses)

    redis_client.delete("publisher:identity")
    with logged() as lines:
        audit_published("email")

    assert pending(database) == ids[:1]
    assert sorted(redis_client.keys(WITNESSES)) == sorted(witnesses)
    assert all(redis_client.pttl(key) > 3_500_000 for key in witnesses)
    assert set(deliveries(redis_client).values()) == {1}
    [line] = [line for line in lines if "witnesses are gone" in line["event"]]
    assert (line["log_level"], line["commands"]) == ("error", 119)


def test_another_command_of_the_same_entry_id_is_no_proof(
    install: Install, database: Database, redis_client: redis.Redis
) -> None:
    """Ids come again once Redis was emptied: an entry counts only for the delivery that it holds (R12a)."""
    context = install()
    audit_published("email")
    ids = publish(context, database, 1)
    [entry_id] = commands(redis_client)
    redis_client.flushdb()
    redis_client.xadd(EMAIL.stream, {"delivery_id": "another"}, id=entry_id)

    audit_published("email")

    assert pending(database) == ids
