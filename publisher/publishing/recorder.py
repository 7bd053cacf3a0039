"""Records the outcomes of a batch, and recognises those whose first recording got no answer (R7, R8)."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from publisher.domain.attempt import DeadLettered, Failure, Outcome, Published, Rescheduled
from publisher.domain.errors import PublisherError
from publisher.domain.notification import Route
from publisher.publishing.batch import Batch
from storage.database import Database
from storage.outcomes.lost_replies import already_recorded
from storage.outcomes.recording import NotRecorded, Recorded, Recording, record

_log = structlog.get_logger()
Decide = Callable[[Route, Failure], Rescheduled | DeadLettered]


class Recorder:
    """Records the outcomes of batches. Safe to share between threads.

    witness_after_lease: see `storage.outcomes.outcomes.complete`.
    beat: called before each statement.
    """

    def __init__(self, database: Database, witness_after_lease: timedelta, beat: Callable[[], object]) -> None:
        self._database = database
        self._witness_after_lease = witness_after_lease
        self._beat = beat

    def record(self, batch: Batch, decide: Decide) -> list[Recording]:
        """Records every outcome of the batch. Returns one recording a route.

        decide: turns a failure into the route's outcome: rescheduled, or a dead letter.
        """
        published = self._record(batch, [o for o in batch.outcomes if isinstance(o, Published)])
        others = [o for o in batch.outcomes if not isinstance(o, Published)]
        for unrecorded in published:
            if isinstance(unrecorded, NotRecorded):
                # The command stands, its record does not: a failed attempt. The next one finds the command (R7).
                message = f"the command was appended, but recording it failed: {unrecorded.reason}"
                failure = Failure.of(batch.channel.stream_failure, message)
                others.append(decide(unrecorded.outcome.route, failure))
        return self._recognised(batch, [*published, *self._record(batch, others)])

    def _record(self, batch: Batch, outcomes: Sequence[Outcome]) -> list[Recording]:
        return record(
            self._database,
            batch.claim.token,
            outcomes,
            witness_after_lease=self._witness_after_lease,
            beat=self._beat,
        )

    def _recognised(self, batch: Batch, recordings: Sequence[Recording]) -> list[Recording]:
        """Returns one recording a route: the one that stands in PostgreSQL, or else the last.

        A statement that is repeated changes nothing if its first try happened. An outcome that stands as that try wrote
        it is recorded.
        """
        last = {recording.outcome.route.id: recording for recording in recordings}
        in_doubt = [r.outcome for r in recordings if not isinstance(r, Recorded) and r.in_doubt]
        for outcome, next_attempt_at in self._standing(batch, [o for o in in_doubt if not _stands(last, o)]):
            last[outcome.route.id] = Recorded(outcome, next_attempt_at)
        return list(last.values())

    def _standing(self, batch: Batch, outcomes: Sequence[Outcome]) -> list[tuple[Outcome, datetime | None]]:
        """Returns the outcomes that stand in PostgreSQL.

        Best effort: an outcome that is not recognised is recorded all the same, and not reported.
        """
        standing: list[tuple[Outcome, datetime | None]] = []
        # A route may have been published and, with no answer to that, rescheduled: it is asked about once a kind.
        for kind in dict.fromkeys(map(type, outcomes)):
            asked = {outcome.route.id: outcome for outcome in outcomes if type(outcome) is kind}
            if time.monotonic() - batch.began >= batch.claim.lasts.total_seconds():
                # Another worker may have written the same.
                break
            self._beat()
            try:
                found = already_recorded(self._database, list(asked.values()))
            except PublisherError as error:
                _log.warning("outcomes may be recorded and not reported", channel=batch.channel.name, error=str(error))
                break
            standing += [(asked[id_], next_attempt_at) for id_, next_attempt_at in found.items()]
        return standing


def _stands(last: dict[int, Recording], outcome: Outcome) -> bool:
    return isinstance(last[outcome.route.id], Recorded)
