"""Taking acknowledged intents in again that PostgreSQL lacks, a page of the stream at a time.

Acceptance is idempotent (R18), so an entry may be taken in while its reader still holds it: whoever comes second finds
it known. That is why pending entries are not left to their readers: one of them may have committed to the server that
is lost, and acknowledge only now.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from publisher.domain.rejection import Rejection, RejectionCode
from publisher.domain.replay import TRIES, ReplayRange
from publisher.intake.acceptor import Acceptor, Incoming
from publisher.streams.consumer_group import Entry
from publisher.streams.intents import IntentsGroup
from storage.database import Database
from storage.intents import Acceptance, IncomingIntent
from storage.malformed_records import IncomingMalformed
from storage.replays import Page, known_malformed, known_notifications
from storage.traces import notifications_of_entry


@dataclass(frozen=True, slots=True)
class Judged:
    """A page of the stream. reached: its last id. missing: what PostgreSQL lacks and may have; left_out: how many it
    lacks that were published too long ago, if they were."""

    reached: str
    seen: int
    missing: Sequence[Incoming]
    left_out: int


class IntentsReplay:
    """Replays intents of one stream. One thread at a time.

    parse: what an entry is to PostgreSQL. on_accepted: told of each transaction's outcome, once it is committed.
    """

    def __init__(
        self,
        database: Database,
        stream: str,
        group: IntentsGroup,
        acceptor: Acceptor,
        parse: Callable[[Entry], Incoming],
        on_accepted: Callable[[Acceptance], None],
    ) -> None:
        self._database = database
        self._stream = stream
        self._group = group
        self._acceptor = acceptor
        self._parse = parse
        self._on_accepted = on_accepted

    def judge(self, wanted: ReplayRange, reached: str, size: int) -> Judged:
        """Looks at the next page behind the entry that was reached. Changes nothing."""
        entries = self._group.between(reached, wanted.up_to, size)
        missing = self._missing([self._parse(entry) for entry in entries])
        may = [entry for entry in missing if wanted.may_replay(entry.entry_id)]
        last = entries[-1].id if len(entries) == size else wanted.up_to
        return Judged(last, len(entries), may, len(missing) - len(may))

    def take_in(self, page: Judged) -> Page | None:
        """Accepts what is missing on the page. None if this process was told to stop before all was committed."""
        committed = replayed = 0
        for part, accepted in self._acceptor.commit(page.missing):
            committed += len(part)
            # Another entry with the same intent, or its reader, may have come first.
            replayed += len(accepted.accepted) + sum(m.entry_id not in accepted.again for m in accepted.malformed)
            self._on_accepted(accepted)
        return None if committed < len(page.missing) else Page(page.reached, page.seen, replayed, page.left_out)

    def set_aside(self, wanted: ReplayRange, reached: str) -> Page | None:
        """Records the next entry as malformed, whatever it is: it killed whoever replayed it (R19)."""
        entries = self._group.between(reached, wanted.up_to, 1)
        poison = Rejection(
            RejectionCode.POISON, f"was replayed {TRIES} times, never to its end: it may kill its reader"
        )
        missing = [
            IncomingMalformed(entry.id, entry.fields, poison)
            for entry in entries
            if not notifications_of_entry(self._database, entry.id, limit=1)
        ]
        return self.take_in(Judged(entries[-1].id if entries else wanted.up_to, len(entries), missing, 0))

    def _missing(self, entries: Sequence[Incoming]) -> list[Incoming]:
        known = known_notifications(
            self._database, list({e.intent.notification_id for e in entries if isinstance(e, IncomingIntent)})
        )
        missing = [e for e in entries if not _is_accepted(e, known)]
        # An entry that was malformed once stays so, though it would be accepted by now: an operator sends it again.
        malformed = known_malformed(self._database, self._stream, [(e.entry_id, e.raw) for e in missing])
        return [e for e in missing if e.entry_id not in malformed]


def _is_accepted(entry: Incoming, known: dict[str, str]) -> bool:
    return isinstance(entry, IncomingIntent) and known.get(entry.intent.notification_id) == entry.intent.fingerprint
