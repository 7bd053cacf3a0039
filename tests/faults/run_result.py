"""What a run showed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.faults.fault_schedule import Kind
from tests.faults.fleet import Stopped
from tests.faults.recovery import Recovery


@dataclass
class Outcome:
    """happened: faults by kind. counts: everything else that was counted."""

    seed: int
    seconds: float = 0.0
    happened: Counter[Kind] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    lost_replies: Counter[str] = field(default_factory=Counter)
    recoveries: list[Recovery] = field(default_factory=list)
    stopped: list[Stopped] = field(default_factory=list)
    attempts: Mapping[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
