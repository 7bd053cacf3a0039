"""Logs and counts the delivery events of one transaction of intake (R25, R26, R32)."""

from collections import Counter

import structlog

from publisher.process.telemetry import Telemetry
from storage.answers.event_entries import TakenIn

_log = structlog.get_logger()


def report(taken_in: TakenIn, telemetry: Telemetry) -> None:
    """Logs and counts new and known events and malformed entries.

    An entry that came again was logged and counted by the process that committed it.
    """
    known = [each for each in taken_in.known if each.entry_id not in taken_in.again]
    malformed = [each for each in taken_in.malformed if each.entry_id not in taken_in.again]
    for result, events in (("new", taken_in.new), ("known", known)):
        counts = Counter((taken_in.channels[each.event.delivery_id], each.event.event) for each in events)
        for (channel, event), count in counts.items():
            telemetry.delivery_events(channel, event, result, count)
    if malformed:
        telemetry.delivery_events("", "", "malformed", len(malformed))
    for rejected in malformed:
        _log.warning(
            "malformed delivery event",
            stream_entry_id=rejected.entry_id,
            failure_code=rejected.malformed.code.value,
            failure_message=rejected.malformed.message,
        )
    if taken_in.new or known:
        _log.info("delivery events recorded", events=len(taken_in.new), known=len(known))
    if taken_in.again:
        _log.info("entries that were done and not acknowledged came again", entries=len(taken_in.again))
