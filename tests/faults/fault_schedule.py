"""Draws from a seed which fault happens when, so that a schedule can be printed and repeated."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

# Seconds that a process is left alone after a fault: it boots, works, and is worth the next one.
_REST = 4.0
# What the loss audit looks back at the least. Losses are found that are older.
AUDIT_WINDOW = 2.0
# How far an older state of Valkey lies back.
COPY_AGE = 1.5
# Nothing but one fault of a server at a time, or there would be no network at all.
_SERVER_REST = 1.0


class Kind(StrEnum):
    """A kind of fault."""

    KILL = "SIGKILL"
    KILL_BOTH = "SIGKILL of both of a kind at once"
    TERM = "SIGTERM"
    TERM_TWICE = "SIGTERM twice, to the group"
    PAUSE = "SIGSTOP beyond the lease, SIGCONT"
    DEPLOY = "a new process beside the old, then SIGTERM"
    VALKEY = "SIGKILL of Valkey"
    VALKEY_EMPTY = "Valkey is away for longer than the audit window, and comes back empty"
    VALKEY_OLD = "Valkey is away for longer than the audit window, and comes back as it was seconds before"
    RENAME = "a deploy renames the email stream"
    POSTGRESQL = "immediate restart of PostgreSQL"
    BACKENDS = "pg_terminate_backend"
    CUT = "connections cut"
    STALL = "every connection stalled"
    BLACK_HOLE = "connections black-holed"
    REFUSE = "connections refused"
    DELAY = "every byte delayed"
    LOSE = "reply lost"
    FORGET = "Dramatiq's keys deleted"


ROLES = ("worker", "intake", "clock", "mailer")
# A third mailer, for the other name of the email stream.
SLOTS = (*(f"{role}-{name}" for role in ROLES for name in "ab"), "mailer-c")
SERVERS = ("postgresql", "valkey")
# Which reply may be lost, and on the way to whom.
LOST_REPLIES = {
    "accept": "postgresql",
    "claim": "postgresql",
    "record": "postgresql",
    "append": "valkey",
    "XREADGROUP": "valkey",
    "XACK": "valkey",
}
LOSSES = (Kind.VALKEY_EMPTY, Kind.VALKEY_OLD)
# These mean something only beyond a lease, or beyond the audit window.
_NEVER_BRIEF = (Kind.PAUSE, *LOSSES)
_WEIGHTS = {"worker": 4, "intake": 3, "clock": 1, "mailer": 2}

FEW: Mapping[Kind, int] = {
    Kind.KILL: 5,
    Kind.TERM: 1,
    Kind.TERM_TWICE: 1,
    Kind.PAUSE: 1,
    Kind.VALKEY: 1,
    Kind.VALKEY_OLD: 1,
    Kind.RENAME: 1,
    Kind.POSTGRESQL: 1,
    Kind.BACKENDS: 2,
    Kind.CUT: 4,
    Kind.STALL: 2,
    Kind.BLACK_HOLE: 3,
    Kind.REFUSE: 1,
    Kind.DELAY: 1,
    Kind.LOSE: 6,
    Kind.FORGET: 1,
}
MANY: Mapping[Kind, int] = {
    Kind.KILL: 92,
    Kind.KILL_BOTH: 6,
    Kind.TERM: 12,
    Kind.TERM_TWICE: 8,
    Kind.PAUSE: 44,
    Kind.DEPLOY: 4,
    Kind.VALKEY: 5,
    Kind.VALKEY_EMPTY: 3,
    Kind.VALKEY_OLD: 4,
    Kind.RENAME: 4,
    Kind.POSTGRESQL: 4,
    Kind.BACKENDS: 16,
    Kind.CUT: 50,
    Kind.STALL: 24,
    Kind.BLACK_HOLE: 44,
    Kind.REFUSE: 6,
    Kind.DELAY: 6,
    Kind.LOSE: 54,
    Kind.FORGET: 5,
}
_LASTING: Mapping[Kind, tuple[float, float]] = {
    Kind.PAUSE: (3.3, 4.5),
    Kind.VALKEY: (0.1, 1.5),
    Kind.VALKEY_EMPTY: (AUDIT_WINDOW + 0.5, AUDIT_WINDOW + 2),
    Kind.VALKEY_OLD: (AUDIT_WINDOW + 0.5, AUDIT_WINDOW + 2),
    Kind.POSTGRESQL: (0.1, 1.0),
    Kind.STALL: (0.1, 2.5),
    Kind.BLACK_HOLE: (0.5, 5.0),
    Kind.REFUSE: (0.3, 1.5),
    Kind.DELAY: (0.5, 2.0),
}


@dataclass(frozen=True)
class Fault:
    """at: seconds from the start. target: slot, role or server. detail: how. lasting: seconds. dice: its own seed."""

    at: float
    kind: Kind
    target: str
    detail: str
    lasting: float
    dice: int

    def __str__(self) -> str:
        words = [f"{self.at:7.2f}", self.kind.value, self.target, self.detail]
        return " ".join(w for w in words if w) + (f" for {self.lasting:.2f} s" if self.lasting else "")


def plan(seed: int, seconds: float, counts: Mapping[Kind, int], brief: float = 1.0) -> list[Fault]:
    """So many faults of each kind, spread over this time in the order they happen.

    A process has time to boot between two faults of its own. brief: shortens what lasts, but for pauses.
    """
    dice = random.Random(seed)
    kinds = list(Counter(counts).elements())
    dice.shuffle(kinds)
    free = dict.fromkeys((*SLOTS, *SERVERS), 0.0)
    lost: list[str] = []
    faults = []
    for place, kind in enumerate(kinds):
        at = (place + dice.random()) * seconds / len(kinds)
        lasting = dice.uniform(*_LASTING.get(kind, (0, 0))) * (1.0 if kind in _NEVER_BRIEF else brief)
        detail = ""
        if kind is Kind.RENAME:
            target, held = "worker", ["worker-a", "worker-b"]
        elif kind is Kind.KILL_BOTH:
            target = dice.choice(ROLES)
            held = [slot for slot in SLOTS if slot.startswith(target)]
        elif kind in (Kind.KILL, Kind.TERM, Kind.TERM_TWICE, Kind.PAUSE, Kind.DEPLOY):
            target = _slot(dice, free, at)
            held = [target]
            if kind is Kind.KILL and target.startswith("worker"):
                (detail,) = dice.choices(["the group", "the master alone", "one child"], [4, 1, 1])
        elif kind is Kind.LOSE:
            # Each as often as the others.
            lost = lost or dice.sample(list(LOST_REPLIES), len(LOST_REPLIES))
            detail = lost.pop()
            target, held = LOST_REPLIES[detail], []
        else:
            target, held = _server(dice, kind)
        at = max([at, *(free[name] for name in held)])
        if kind is Kind.VALKEY_OLD:
            lasting += COPY_AGE
        for name in held:
            free[name] = at + lasting + (_REST if name in SLOTS else _SERVER_REST) * brief
        faults.append(Fault(round(at, 2), kind, target, detail, round(lasting, 2), dice.getrandbits(32)))
    return sorted(faults, key=lambda fault: fault.at)


def _slot(dice: random.Random, free: Mapping[str, float], at: float) -> str:
    ready = [slot for slot in SLOTS if free[slot] <= at] or [min(SLOTS, key=lambda slot: free[slot])]
    (chosen,) = dice.choices(ready, [_WEIGHTS[slot.partition("-")[0]] for slot in ready])
    return chosen


def _server(dice: random.Random, kind: Kind) -> tuple[str, list[str]]:
    """The target, and what must not have another fault at the same time."""
    if kind in (Kind.VALKEY, Kind.FORGET, *LOSSES):
        return "valkey", [] if kind is Kind.FORGET else ["valkey"]
    if kind in (Kind.POSTGRESQL, Kind.BACKENDS):
        return "postgresql", ["postgresql"] if kind is Kind.POSTGRESQL else []
    (target,) = dice.choices(SERVERS, [2, 3])
    whole = kind in (Kind.STALL, Kind.REFUSE, Kind.DELAY, Kind.BLACK_HOLE)
    return target, [target] if whole else []
