"""The result of a chaos run: faults, counts, recoveries and problems."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.faults.fault_schedule import Kind
from tests.faults.fleet import Stopped
from tests.faults.recovery import Recovery


@dataclass
class RunResult:
    """The result of one run.

    seconds: how long it took.
    happened: faults by kind.
    counts: everything else that was counted, by name.
    lost_replies: replies lost, by kind of request.
    attempts: failed attempts recorded, by classification.
    problems: every broken invariant; empty if the service kept its promise.
    """

    seed: int
    seconds: float = 0.0
    happened: Counter[Kind] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    lost_replies: Counter[str] = field(default_factory=Counter)
    recoveries: list[Recovery] = field(default_factory=list)
    stopped: list[Stopped] = field(default_factory=list)
    attempts: Mapping[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
