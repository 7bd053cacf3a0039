"""How a claim's tokens are shared out over lanes, producers and types (R31)."""

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.lanes import Lane
from publisher.domain.shares import WEIGHTS, DueGroup, Group, Rotation, Shares, in_turn, share_out
from tests.factories import INSTANT


def due(lane: Lane, producer: str, count: int, type_: str = "t", waits: int = 0) -> DueGroup:
    """A group with so many due routes, of which the first waits for so many seconds."""
    key = hash((lane, producer, type_))
    return DueGroup(Group(key, lane, producer, type_), count, False, INSTANT - timedelta(seconds=waits))


def by_lane(shares: Shares) -> Counter[Lane]:
    counts: Counter[Lane] = Counter()
    for group, quota in shares.quotas.items():
        counts[group.lane] += quota
    return counts


def by_producer(shares: Shares) -> Counter[str]:
    counts: Counter[str] = Counter()
    for group, quota in shares.quotas.items():
        counts[group.producer] += quota
    return counts


GROUPS = st.lists(
    st.tuples(
        st.sampled_from(Lane), st.sampled_from("abc"), st.sampled_from("tu"), st.integers(0, 30), st.integers(0, 9)
    ),
    unique_by=lambda drawn: drawn[:3],
).map(lambda drawn: [due(lane, producer, count, type_, waits) for lane, producer, type_, count, waits in drawn])
WEIGHTED = st.fixed_dictionaries({lane: st.integers(1, 9) for lane in Lane})


@given(st.integers(0, 100), GROUPS, WEIGHTED)
def test_no_token_is_left_over_while_a_route_is_due(
    tokens: int, groups: list[DueGroup], weights: dict[Lane, int]
) -> None:
    """All tokens are given, or all due routes have one; and no group gets more than it has due."""
    shares = share_out(tokens, groups, Rotation(), weights)

    wanted = {group.group: group.due for group in groups}
    assert sum(shares.quotas.values()) == min(tokens, sum(wanted.values()))
    assert all(1 <= quota <= wanted[group] for group, quota in shares.quotas.items())


@given(st.integers(1, 100), GROUPS)
def test_a_producer_gets_less_than_another_of_its_lane_only_if_it_has_no_more(
    tokens: int, groups: list[DueGroup]
) -> None:
    """Equal shares, to one token: who has less than another has nothing more due."""
    quotas = share_out(tokens, groups, Rotation()).quotas

    for lane in Lane:
        total: Counter[str] = Counter()
        got: Counter[str] = Counter()
        for group in groups:
            if group.group.lane is lane:
                total[group.group.producer] += group.due
                got[group.group.producer] += quotas.get(group.group, 0)
        for producer in total:
            assert got[producer] >= min(total[producer], max(got.values()) - 1)


@given(st.integers(1, 4), WEIGHTED)
def test_every_lane_has_its_part_however_few_tokens_a_claim_has(tokens: int, weights: dict[Lane, int]) -> None:
    """Over some claims each lane gets what its weight gives it, and none starves, also with one token a claim."""
    rotation, got, claims = Rotation(), Counter[Lane](), sum(weights.values()) * 5
    for _ in range(claims):
        shares = share_out(tokens, [due(lane, "a", 100) for lane in Lane], rotation, weights)
        rotation = shares.rotation
        got += by_lane(shares)

    for lane in Lane:
        assert abs(got[lane] - claims * tokens * weights[lane] / sum(weights.values())) <= 1


def test_a_lane_gets_what_the_others_leave() -> None:
    """Ten urgent routes and a million of bulk: all the urgent ones, and bulk has the rest."""
    shares = share_out(500, [due(Lane.URGENT, "a", 10), due(Lane.BULK, "a", 2_000)], Rotation())

    assert by_lane(shares) == {Lane.URGENT: 10, Lane.BULK: 490}


def test_the_most_urgent_lane_comes_first() -> None:
    """With one token, and nothing shared out before, the urgent route goes."""
    assert by_lane(share_out(1, [due(lane, "a", 1) for lane in reversed(Lane)], Rotation())) == {Lane.URGENT: 1}


def test_a_producer_with_many_routes_takes_no_more_than_its_share() -> None:
    """Equal shares; what the small producer leaves is the big one's."""
    groups = [due(Lane.NORMAL, "big", 100_000), due(Lane.NORMAL, "small", 10), due(Lane.NORMAL, "other", 100_000)]

    assert by_producer(share_out(14, groups, Rotation())) == {"big": 5, "small": 5, "other": 4}
    assert by_producer(share_out(100, groups, Rotation())) == {"big": 45, "small": 10, "other": 45}


@given(st.integers(1, 7), st.integers(2, 9))
def test_producers_take_turns_where_there_are_fewer_tokens(tokens: int, producers: int) -> None:
    """After any number of claims no producer is ahead of another by more than a token a claim."""
    rotation, got = Rotation(), Counter[str]()
    for _ in range(producers * 3):
        shares = share_out(tokens, [due(Lane.NORMAL, str(n), 100) for n in range(producers)], rotation)
        rotation = shares.rotation
        got += by_producer(shares)

    assert set(got.values()) == {tokens * 3}


def test_the_type_that_has_waited_longest_goes_first() -> None:
    """Among a producer's types there is one order, that in which they are due: so none is left for ever."""
    groups = [due(Lane.NORMAL, "a", 9, "new", waits=1), due(Lane.NORMAL, "a", 9, "old", waits=5)]

    assert [group.notification_type for group in share_out(1, groups, Rotation()).quotas] == ["old"]


def test_the_last_producer_that_got_a_token_is_named() -> None:
    """Where a walk saw a part of the groups, the next one goes on behind the last producer that it served."""
    groups = [due(Lane.NORMAL, str(n), 5) for n in range(4)]

    assert share_out(2, groups, Rotation()).last == {Lane.NORMAL: groups[1].group}
    assert share_out(99, groups, Rotation()).last == {}


@given(st.integers(0, 60), st.dictionaries(st.integers(0, 9), st.integers(0, 20)))
def test_in_turn_is_one_token_after_the_other(tokens: int, wanted: dict[int, int]) -> None:
    """Whole rounds at once give what giving one token at a time does."""
    left, got = dict(wanted), Counter[int]()
    while tokens - got.total() > 0 and any(left.values()):
        for key in [key for key in left if left[key]][: tokens - got.total()]:
            left[key] -= 1
            got[key] += 1

    assert in_turn(tokens, wanted)[0] == got


def test_the_weights_of_the_lanes() -> None:
    """Eight, three and one of twelve."""
    assert WEIGHTS == {Lane.URGENT: 8, Lane.NORMAL: 3, Lane.BULK: 1}
