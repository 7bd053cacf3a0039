"""CircuitBreaker: a channel whose stream refuses everything is left alone, and tried again by small batches.

An outage downstream costs time, and no route its attempts: after a few batches in a row that the channel refused for
reasons of its own, its gate closes to every claim. A stream at its ceiling closes it at once (R13). A probe passes it
at a growing interval; the first command that is taken opens it.
"""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from publisher.domain.channel import Channel
from publisher.domain.circuit import Probing
from publisher.domain.errors import PublisherError
from publisher.process.telemetry import Telemetry
from publisher.streams.append_result import Appended, AppendResult, HeldBack, Limited, NotAppended
from storage import gates
from storage.database import Database

_log = structlog.get_logger()


def probed(channel: Channel) -> Channel:
    """Returns the channel with a lower ceiling: a probe that succeeds finds room for many batches after it."""
    return replace(channel, stream_ceiling=channel.stream_ceiling and max(1, channel.stream_ceiling * 9 // 10))


class CircuitBreaker:
    """Opens and closes the circuits of channels. Safe to share between threads, and between processes.

    probing: None counts strictly: every refusal is an attempt of its route, whatever the channel's state.
    """

    def __init__(self, database: Database, telemetry: Telemetry, probing: Probing | None) -> None:
        self._database = database
        self._telemetry = telemetry
        self._probing = probing

    @property
    def is_off(self) -> bool:
        """True if parked channels are published as if they were not."""
        return self._probing is None

    @property
    def batch(self) -> int:
        """How many routes a probe takes."""
        return 0 if self._probing is None else self._probing.batch

    def may_probe(self, channel: str) -> bool:
        """True, for one caller, if the channel is parked and may be tried now. Raises DatabaseUnavailable."""
        return self._probing is not None and gates.begin_probe(self._database, channel, self._probing)

    def note(self, channel: str, results: Sequence[AppendResult], refusing: bool, *, probing: bool = False) -> None:
        """Notes the results of a batch, which may open or close the circuit.

        refusing: the channel refused its last batches. probing: this batch is a probe.

        A command that waits for the rate limit tells nothing of the channel.
        Only a command that the channel wrote now shows that it takes commands: one that it knows may stand there since
        before it began to refuse. Best effort: a note that is lost parks, or opens, the channel one batch later.
        """
        taken = any(isinstance(result, Appended) and result.first for result in results)
        results = [result for result in results if not isinstance(result, Limited)]
        known = [result for result in results if isinstance(result, Appended) and not result.first]
        refused = [result for result in results if isinstance(result, NotAppended) and result.channels_fault]
        held_back = [result for result in results if isinstance(result, HeldBack)]
        try:
            # A probe asks with a lower ceiling: what it has left has room.
            if held_back and not (probing and taken):
                self._held_back(channel, held_back[-1].message)
            elif taken and refusing:
                self._taken(channel)
            elif refused and len(refused) + len(known) == len(results):
                self._refused(channel, refused[-1].message)
        except PublisherError as error:
            _log.warning("a channel's state was not noted", channel=channel, error=str(error))

    def _taken(self, channel: str) -> None:
        parked_for = gates.note_taken(self._database, channel)
        if parked_for is not None:
            _log.info("channel takes commands again", channel=channel, parked_seconds=round(parked_for.total_seconds()))
            self._telemetry.gate_changed(channel, "unparked")

    def _refused(self, channel: str, reason: str) -> None:
        if self._probing is not None and gates.note_refused(self._database, channel, reason, self._probing):
            self._parked(
                channel, "channel parked: it refuses everything; no attempts are made until it takes one", reason
            )

    def _held_back(self, channel: str, reason: str) -> None:
        if self._probing is not None and gates.note_held_back(self._database, channel, reason, self._probing):
            self._parked(channel, "channel parked: its stream takes no more for now; its routes wait", reason)

    def _parked(self, channel: str, event: str, reason: str) -> None:
        _log.warning(event, channel=channel, reason=reason)
        self._telemetry.gate_changed(channel, "parked")
