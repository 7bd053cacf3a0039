"""What Redis acknowledged and lost is published again, by the real processes (R12a)."""

from collections import Counter

from tests.acceptance.outside import EMAIL, PUSH, Outside, users
from tests.factories import intent_fields
from tests.processes import Processes
from tests.waiting import wait_until


def start_all(processes: Processes) -> None:
    """A worker, a clock and an intake."""
    for name in ("worker", "clock", "intake"):
        processes.start(name)


def lose(outside: Outside, stream: str, count: int) -> set[str]:
    """Removes so many commands from the stream with their witnesses, as a failover to a late replica does."""
    lost = set()
    for entry_id, command in outside.redis.xrange(stream, count=count):
        (witness,) = outside.redis.keys(f"*witness*{command['delivery_id']}")
        outside.redis.delete(witness)
        outside.redis.xdel(stream, entry_id)
        lost.add(command["delivery_id"])
    return lost


def test_commands_that_redis_lost_are_published_again_and_no_others(
    processes: Processes, environ: dict[str, str], outside: Outside
) -> None:
    """Half a window after a silent loss its routes are published under the same delivery id, and counted (R12a)."""
    environ["PUBLISHER_AUDIT_WINDOW"] = "6"
    start_all(processes)
    outside.send(intent_fields(recipients_json=users(40), channels_json=["email"]))
    outside.wait_for_routes(published=40)
    before = outside.redis.xrange(EMAIL)

    lost = lose(outside, EMAIL, 10)
    wait_until(lambda: outside.redis.xlen(EMAIL) >= 40, describe=outside.statuses)
    outside.wait_for_routes(published=40)

    after = outside.redis.xrange(EMAIL)
    again = {command["delivery_id"]: command for _, command in after[30:]}
    assert after[:30] == before[10:]
    assert again == {command["delivery_id"]: command for _, command in before[:10]}
    assert set(again) == lost
    assert outside.row("SELECT count(*) FROM routes WHERE attempt_count = 0 AND published_at IS NOT NULL") == {
        "count": 40
    }


def test_after_redis_was_emptied_everything_of_the_window_comes_back_at_once(
    processes: Processes, outside: Outside
) -> None:
    """An emptied Redis is noticed at once and costs no command of the audit window; older ones rest (R12a)."""
    start_all(processes)
    outside.send(intent_fields(recipients_json=users(30)))
    outside.wait_for_routes(published=60)
    outside.rows("UPDATE routes SET published_at = now() - interval '1 hour' WHERE route_id LIKE '%%:user:0'")
    wait_until(lambda: len(outside.rows("SELECT 1 FROM stream_audits WHERE covered_to IS NOT NULL")) == 2)

    outside.redis.flushdb()
    wait_until(lambda: outside.redis.xlen(EMAIL) + outside.redis.xlen(PUSH) >= 58, describe=outside.statuses)
    outside.wait_for_routes(published=60)

    for stream in (EMAIL, PUSH):
        assert Counter(outside.deliveries(stream).values()) == {1: 29}

    outside.send(intent_fields())
    outside.wait_for_routes(published=62)
