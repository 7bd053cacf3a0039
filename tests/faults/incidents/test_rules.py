"""What a rule makes of metrics that no recording has: clocks that differ, deploys, channels in turn (R25)."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import pytest

from tests.faults.incidents.promtool import first_firing, without_value
from tests.faults.incidents.recording import Recording
from tests.faults.incidents.test_alerts import needs_promtool

# Fifteen minutes, and five.
_LONG, _SHORT = 180, 60
_SERVED = {f'publisher_server_read{{server="{server}"}}': f"1x{_LONG}" for server in ("postgresql", "redis")}
_PARKED = 'publisher_channel_state{channel="push",state="parked"}'
_UNREAD = 'publisher_commands_unread_oldest_seconds{channel="push",group="gateway"}'
_LATE = 'publisher_finding{{level="warning",cause="late",channel="{}"}}'

_CASES: Mapping[str, tuple[Mapping[str, str], AbstractSet[str]]] = {
    "a clock an hour slow": ({"publisher_snapshot_timestamp_seconds": "-3600+5x60"}, set()),
    "now one channel is late, now two": (
        {_LATE.format("email"): "1x5 stale _x5 1x5 stale _x40", _LATE.format(""): "_x6 1x5 stale _x5 1x5 stale _x37"},
        {"PublisherRoutesLate"},
    ),
    "parked, and no route waits": (
        {_PARKED: "1x60", 'publisher_routes_open{channel="push",status="pending"}': "0x60"},
        set(),
    ),
    "parked, and failed routes wait": (
        {_PARKED: "1x60", 'publisher_routes_open{channel="push",status="failed"}': "2x60"},
        {"PublisherStreamRefuses"},
    ),
    "delivery events are not taken in": (
        {"publisher_delivery_events_oldest_seconds": "0+5x60"},
        {"PublisherIntakeStuck"},
    ),
    "nobody can tell whether a slow group reads": ({_UNREAD: "0+5x60"}, set()),
    "dead letters come back after a requeue": (
        {"publisher_dead_letters_waiting": "100x10 0x10 40x40"},
        {"PublisherDeadLettersRising"},
    ),
    "dead letters come while a clock takes over": (
        {
            'publisher_dead_letters_waiting{instance="old"}': "1x10 stale",
            'publisher_dead_letters_waiting{instance="new"}': "_x15 3x40",
        },
        {"PublisherDeadLettersRising"},
    ),
    "dead letters are sent again one by one": ({"publisher_dead_letters_waiting": "100-1x60"}, set()),
    "of two clocks one is a snapshot behind": (
        {
            'publisher_dead_letters_waiting{instance="one"}': "100-1x60",
            'publisher_dead_letters_waiting{instance="two"}': "102-1x60",
        },
        set(),
    ),
    "more malformed intents than are counted": (
        {"publisher_malformed_waiting": "10000x60"},
        {"PublisherMalformedRising"},
    ),
    "a new worker has counted a loss before it is first asked": (
        {'routes_lost_total{channel="push",instance="new"}': "_x5 3x55"},
        {"PublisherRedisLostCommands"},
    ),
    "a rate limit too slow to tell its use": (
        {'publisher_finding{level="warning",cause="limited",channel="email"}': "1x60"},
        {"PublisherLimitSaturated"},
    ),
}


@needs_promtool
@pytest.mark.parametrize("case", _CASES)
def test_an_alert_fires_for_what_it_is_made_for_and_for_nothing_else(case: str) -> None:
    """Neither a deploy nor a clock that is wrong wakes anybody, and neither hides what has happened."""
    series, fires = _CASES[case]

    assert set(first_firing(Recording(case, 0, _SHORT, {**_SERVED, **series}))) == fires


@needs_promtool
def test_an_alert_of_a_loss_ends() -> None:
    """Ten minutes later, for a worker that had counted it before it was first asked as for any other."""
    recording = Recording("lost", 0, _LONG, {**_SERVED, 'routes_lost_total{channel="push"}': f"_x5 3x{_LONG}"})
    firing = 'ALERTS{alertname="PublisherRedisLostCommands"}'

    assert without_value(recording, [firing], 60) == []
    assert without_value(recording, [firing], 14 * 60) == [firing]
