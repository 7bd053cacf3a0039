"""Channels as an operator sees and changes them: open, paused or parked; paused and resumed under an action (R34)."""

from collections.abc import Mapping
from dataclasses import dataclass

from publisher.domain.channel import Channel
from publisher.domain.circuit import Gate
from publisher.domain.errors import BadRequest
from publisher.operations.changes.audited import audited
from storage import gates
from storage.actions import advance_action
from storage.database import Database


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """A channel that is installed, or that was and has a gate still.

    stream: where it publishes; of partitions the names of all, as `commands:{0..7}`. None: it is not installed.
    redis: the Redis that has the stream, without its secrets; blank: that of REDIS_URL.
    """

    name: str
    stream: str | None
    gate: Gate
    redis: str = ""


def list_channels(database: Database, installed: Mapping[str, Channel]) -> list[ChannelRecord]:
    """Returns every channel, by name."""
    known = gates.read_gates(database)
    return [
        _record(installed.get(name), known.get(name, Gate(name))) for name in sorted(installed.keys() | known.keys())
    ]


def _record(channel: Channel | None, gate: Gate) -> ChannelRecord:
    if channel is None:
        return ChannelRecord(gate.channel, None, gate)
    return ChannelRecord(channel.name, channel.location.names, gate, channel.server)


def read_gate(database: Database, channel: str) -> Gate:
    """Returns the channel's gate as it stands."""
    return gates.read_gates(database).get(channel, Gate(channel))


def pause(database: Database, channel: str, by: str, reason: str) -> Gate:
    """Pauses the channel: no process claims its routes until it is resumed. Returns its gate.

    Raises BadRequest if it is paused already, with who did it and why.
    """
    with audited(database, "pause-channel", by, {"channel": channel, "reason": reason}) as action:
        if not gates.pause(database, channel, by, reason):
            gate = read_gate(database, channel)
            raise BadRequest(f"{channel} is paused already, by {gate.paused_by}: {gate.pause_reason}")
        advance_action(database, action.id, 1)
    return read_gate(database, channel)


def resume(database: Database, channel: str, by: str) -> Gate:
    """Opens a paused channel, or a parked one before its next probe. Returns its gate.

    Its due routes are claimed with the next scan. Raises BadRequest if the channel is open.
    """
    was = read_gate(database, channel).state.value
    with audited(database, "resume-channel", by, {"channel": channel, "was": was}) as action:
        if not gates.resume(database, channel):
            raise BadRequest(f"{channel} is open: there is nothing to resume")
        advance_action(database, action.id, 1)
    return read_gate(database, channel)
