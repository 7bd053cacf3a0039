"""The state machine of the model test: hypothesis draws the operations and their order.

One rule with many choices: hypothesis leaves some rules out of each example, and most operations are worth little
without each other.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.faults.model_comparison import ModelEnvironment
from tests.faults.model_intents import ENTRIES, KINDS, Entry
from tests.faults.model_operations import Operations

CHANNEL = st.sampled_from(("email", "push"))
PICKS = st.lists(st.integers(0, 30), min_size=1, max_size=6, unique=True)
# Which claim or batch, counted back from the newest: mostly one that still holds its routes.
BACK = st.sampled_from((0, 0, 0, 1, 1, 2, 3, 5, 8))
HANDED_OVER = st.sampled_from((False, False, True))

# Each operation with its weight and its arguments.
CHOICES: dict[str, tuple[int, tuple[st.SearchStrategy[Any], ...]]] = {
    "intents_arrive": (5, (ENTRIES, HANDED_OVER)),
    "intents_are_read_again": (2, (BACK,)),
    "message_arrives": (3, (BACK,)),
    "message_is_lost": (2, (BACK,)),
    "publish_handed_over": (2, (BACK,)),
    "claim_due": (5, (CHANNEL, st.integers(1, 6))),
    "claim_these": (3, (CHANNEL, PICKS)),
    "append": (4, (BACK,)),
    "complete": (4, (BACK,)),
    "append_and_complete": (5, (BACK,)),
    "complete_what_is_not_theirs": (1, (BACK,)),
    "fail": (5, (BACK,)),
    "release": (2, (BACK,)),
    "lease_expires": (3, (BACK,)),
    "give_up_suspects": (1, (BACK,)),
    "workers_die": (1, (CHANNEL, st.integers(1, 6))),
    "publish_due": (2, (CHANNEL, st.booleans())),
    "publish_these": (1, (CHANNEL, PICKS)),
    "time_passes": (4, ()),
    "operator_requeues": (3, (PICKS,)),
    "operator_discards": (5, (PICKS,)),
    "operator_republishes": (4, (PICKS,)),
    "deadline_passes": (2, (PICKS,)),
    "deadlines_end": (3, (CHANNEL,)),
    "deadline_overtakes_a_worker": (2, (CHANNEL, st.booleans())),
    "operator_holds": (2, (PICKS,)),
    "holds_are_removed": (2, ()),
    "operator_cancels": (3, (PICKS,)),
    "producer_cancels": (2, (st.sampled_from(sorted(KINDS)), st.integers(0, 7))),
    "producer_takes_one_back": (2, (PICKS,)),
    "cancellation_overtakes_a_worker": (3, (CHANNEL, PICKS, st.sampled_from(("claimed", "appended", "failed")))),
    "redis_loses": (1, (PICKS,)),
    "redis_is_emptied": (2, ()),
    "loss_audit": (5, (CHANNEL, st.sampled_from((False, False, True)))),
}
OPERATION = st.sampled_from([name for name, (weight, _) in CHOICES.items() for _ in range(weight)]).flatmap(
    lambda name: st.tuples(st.just(name), *CHOICES[name][1])
)


class RouteMachine(RuleBasedStateMachine):
    """One example."""

    def __init__(self, environment: ModelEnvironment) -> None:
        super().__init__()
        self._operations = Operations(environment)

    @initialize(entries=ENTRIES, handed_over=HANDED_OVER)
    def intents_arrive(self, entries: Sequence[Entry], handed_over: bool) -> None:
        self._operations.intents_arrive(entries, handed_over)

    @rule(operation=OPERATION)
    def do(self, operation: tuple[Any, ...]) -> None:
        name, *arguments = operation
        getattr(self._operations, name)(*arguments)
