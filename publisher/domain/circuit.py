"""The circuit of a channel: a pause, or a stream that refuses everything, keeps its routes from being claimed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class GateState(StrEnum):
    """Whether a channel's routes may be claimed. A pause is stronger than a parking."""

    OPEN = "open"
    PAUSED = "paused"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Gate:
    """A channel's gate, as it stands. Instants are UTC.

    paused_*: all or none; only an operator sets and clears them. parked_*: all or none; set after some batches in a row
    that the channel refused, cleared by the first command it takes. refused_batches: how many in a row so far.
    probe_at: when the next small batch is tried; probes: how many were, since it was parked.
    """

    channel: str
    paused_at: datetime | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    refused_batches: int = 0
    parked_at: datetime | None = None
    park_reason: str | None = None
    probe_at: datetime | None = None
    probes: int = 0

    @property
    def state(self) -> GateState:
        """Open, paused or parked."""
        if self.paused_at is not None:
            return GateState.PAUSED
        return GateState.OPEN if self.parked_at is None else GateState.PARKED


@dataclass(frozen=True, slots=True)
class Probing:
    """When a channel is parked, and how it is tried again.

    refused_batches: so many in a row park it. first, longest: the time to the first probe, doubled with each up to the
    longest. batch: how many routes a probe takes.
    """

    refused_batches: int = 3
    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(seconds=3)
    batch: int = 5
