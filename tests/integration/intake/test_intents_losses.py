"""Entries that somebody removes from the intents stream unread are noticed, counted where Redis can, and told once."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
import redis

from actors.context import Context
from publisher.domain.loss import LossCause
from publisher.streams.intents import IntentsGroup
from publisher.streams.intents_losses import noticed_losses
from publisher.streams.trimming import trim_acknowledged
from storage.accepting.losses import list_losses
from storage.database import Database
from tests.factories import GROUP, INTENTS
from tests.integration.stream_entries import add_entries, send_intents, wait_until_read
from tests.waiting import wait_until

SHORTLY = timedelta(milliseconds=20)
StartIntake = Callable[..., threading.Thread]
Gap = tuple[LossCause, str, str, int | None]


@pytest.fixture
def group(consumer: Callable[[str], IntentsGroup]) -> IntentsGroup:
    """A consumer of the group, which is there."""
    made = consumer("one")
    made.create()
    return made


def read(group: IntentsGroup, count: int = 1000) -> list[str]:
    """Reads and acknowledges new entries. Returns their ids."""
    ids = [entry.id for entry in group.read(count, SHORTLY)]
    group.acknowledge(ids)
    return ids


def gaps(client: redis.Redis) -> Sequence[Gap]:
    """What was noticed."""
    return [(loss.cause, loss.after_id, loss.before_id, loss.entries) for loss in noticed_losses(client, INTENTS)]


def lag(client: redis.Redis) -> object:
    return client.xinfo_groups(INTENTS)[0]["lag"]


def test_entries_trimmed_unread_are_counted(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Of 988 sent, all but 100 are cut off the stream: 888 are lost, and the lag is right again."""
    [first] = add_entries(redis_client, 1)
    read(group)
    ids = add_entries(redis_client, 988)
    redis_client.xtrim(INTENTS, maxlen=100, approximate=False)

    assert read(group) == ids[-100:]

    assert gaps(redis_client) == [(LossCause.TRIMMED, first, ids[-100], 888)]
    assert lag(redis_client) == 0


def test_a_gap_is_noticed_once_and_the_next_one_counted_alone(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Reading on, in whatever steps, notices nothing again; what is cut off later is a loss of its own."""
    add_entries(redis_client, 1)
    read(group)
    add_entries(redis_client, 50)
    redis_client.xtrim(INTENTS, maxlen=20, approximate=False)
    for _ in range(5):
        read(group, 5)
    add_entries(redis_client, 30)
    redis_client.xtrim(INTENTS, maxlen=10, approximate=False)
    read(group)

    assert [entries for *_, entries in gaps(redis_client)] == [30, 20]


def test_a_stream_that_is_emptied_unread_is_noticed(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Nothing is left to read, and the loss is told all the same, once."""
    [first] = add_entries(redis_client, 1)
    read(group)
    ids = add_entries(redis_client, 7)
    redis_client.xtrim(INTENTS, maxlen=0, approximate=False)

    assert read(group) == []
    assert read(group) == []

    assert gaps(redis_client) == [(LossCause.TRIMMED, first, ids[-1], 7)]
    assert read(group) == []
    after = add_entries(redis_client, 1)
    assert read(group) == after
    assert len(gaps(redis_client)) == 1


def test_what_is_removed_after_it_was_read_is_no_loss(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """Trimmed to nothing, trimmed by age, deleted one by one, or trimmed by ourselves: nothing is told."""
    for remove in (
        lambda _: redis_client.xtrim(INTENTS, maxlen=0, approximate=False),
        lambda ids: redis_client.xtrim(INTENTS, minid=ids[-1], approximate=False),
        lambda ids: redis_client.xdel(INTENTS, *ids),
        lambda ids: redis_client.xdel(INTENTS, ids[-1]),
        lambda _: trim_acknowledged(redis_client, INTENTS, GROUP, timedelta(0)),
    ):
        ids = add_entries(redis_client, 150)
        read(group)
        remove(ids)
        more = add_entries(redis_client, 3)
        assert read(group) == more

    assert gaps(redis_client) == []


def test_ids_of_a_producers_own_making_are_no_loss(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """However far they lie apart, each entry counts once."""
    for id_ in ("1-1", "1-2", "5000-0", f"{2**63}-0", f"{2**63}-{2**63}"):
        redis_client.xadd(INTENTS, {"n": 1}, id=id_)
        assert read(group) == [id_]
        redis_client.xtrim(INTENTS, maxlen=0, approximate=False)

    assert gaps(redis_client) == []


def test_a_group_made_anew_on_a_trimmed_stream_is_no_loss(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """It reads what is left from the beginning: what was there before it was nobody's (R13)."""
    add_entries(redis_client, 50)
    read(group)
    redis_client.xtrim(INTENTS, maxlen=10, approximate=False)
    redis_client.xgroup_destroy(INTENTS, GROUP)
    group.create()

    assert len(read(group)) == 10
    add_entries(redis_client, 3)
    assert len(read(group)) == 3

    assert gaps(redis_client) == []


def test_a_group_whose_count_is_unknown_tells_a_gap_without_a_number(
    group: IntentsGroup, redis_client: redis.Redis
) -> None:
    """From the first id that is left: its last entry is gone, and who took that took perhaps more."""
    add_entries(redis_client, 2)
    read(group)
    [first, second] = add_entries(redis_client, 2)
    redis_client.xgroup_setid(INTENTS, GROUP, first)
    redis_client.xdel(INTENTS, second)
    ids = add_entries(redis_client, 5)
    redis_client.xgroup_setid(INTENTS, GROUP, first)
    redis_client.xtrim(INTENTS, maxlen=2, approximate=False)
    assert redis_client.xinfo_groups(INTENTS)[0]["entries-read"] is None

    assert read(group) == ids[-2:]

    assert gaps(redis_client) == [(LossCause.TRIMMED, first, ids[-2], None)]


def test_a_forgotten_script_costs_a_look_and_no_entry(group: IntentsGroup, redis_client: redis.Redis) -> None:
    """After SCRIPT FLUSH reading goes on, and the next one looks again."""
    redis_client.script_flush()
    ids = add_entries(redis_client, 2)

    assert read(group) == ids
    add_entries(redis_client, 5)
    redis_client.xtrim(INTENTS, maxlen=2, approximate=False)
    read(group)
    assert [entries for *_, entries in gaps(redis_client)] == [3]


def test_a_loss_is_recorded_counted_and_logged(
    context: Context,
    database: Database,
    redis_client: redis.Redis,
    start_intake: StartIntake,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Intake says at error level how many are lost, and PostgreSQL keeps it for doctor."""
    start_intake()
    send_intents(redis_client, 1)
    wait_until_read(redis_client)
    with redis_client.pipeline(transaction=True) as pipe:
        for n in range(30):
            pipe.xadd(INTENTS, {"n": n})
        pipe.xtrim(INTENTS, maxlen=10, approximate=False)
        pipe.execute()

    [loss] = wait_until(lambda: list_losses(database, acknowledged=False, limit=10))

    assert (loss.cause, loss.entries) == (LossCause.TRIMMED, 20)
    wait_until(lambda: noticed_losses(redis_client, INTENTS) == [])
    assert context.telemetry.registry.get_sample_value("intents_total", {"result": "trimmed"}) == 20
    assert "intents were trimmed from the stream unread: lost" in capsys.readouterr().out
