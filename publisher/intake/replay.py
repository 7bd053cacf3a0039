"""Accepts acknowledged intents again that PostgreSQL lacks, a page of the stream at a time.

Acceptance is idempotent (R18), so an entry may be accepted while a consumer still holds it: the second one finds it
accepted. Pending entries are therefore replayed as well: their consumer may have committed them to the server that is
lost, and may acknowledge them only now.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from publisher.domain.channel import PARTITIONS
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.domain.replay import TRIES, ReplayRange
from publisher.intake.acceptor import Acceptor, Incoming
from publisher.streams.consumer_group import Entry
from publisher.streams.intents import IntentsGroup
from storage.accepting.fingerprints import accepted_fingerprints
from storage.accepting.intents import Acceptance, IncomingIntent
from storage.accepting.replays import Page, known_malformed
from storage.cancelling.cancellations import IncomingCancellation, known_cancellations
from storage.database import Database
from storage.malformed.recording import IncomingMalformed
from storage.notifications import notifications_of_entry


@dataclass(frozen=True, slots=True)
class Judged:
    """A page of the stream.

    reached: its last id.
    seen: how many entries it has.
    missing: entries that PostgreSQL lacks and that may be replayed.
    left_out: how many it lacks that are too old to be replayed: they may have been published, and their witnesses are
    gone.
    """

    reached: str
    seen: int
    missing: Sequence[Incoming]
    left_out: int


class IntentsReplay:
    """Replays intents of one stream. One thread at a time.

    parse: makes the record of an entry.
    on_accepted: called with the acceptance of each transaction, once it is committed.
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
        """Reads the next page behind `reached`. Changes nothing."""
        entries = self._group.between(reached, wanted.up_to, size)
        missing = self._missing([self._parse(entry) for entry in entries])
        # A cancellation publishes nothing, however old it is.
        may = [
            entry for entry in missing if isinstance(entry, IncomingCancellation) or wanted.may_replay(entry.entry_id)
        ]
        last = entries[-1].id if len(entries) == size else wanted.up_to
        return Judged(last, len(entries), may, len(missing) - len(may))

    def take_in(self, page: Judged) -> Page | None:
        """Accepts the page's missing entries. None if this process was told to stop before all were committed."""
        committed = replayed = 0
        for part, accepted in self._acceptor.commit(page.missing):
            committed += len(part)
            # Another entry with the same intent, or its reader, may have come first.
            replayed += len(accepted.accepted) + len(accepted.cancellations)
            replayed += sum(m.entry_id not in accepted.again for m in accepted.malformed)
            self._on_accepted(accepted)
        return None if committed < len(page.missing) else Page(page.reached, page.seen, replayed, page.left_out)

    def set_aside(self, wanted: ReplayRange, reached: str) -> Page | None:
        """Records the next entry as malformed without parsing it: replaying it may kill the process (R19)."""
        entries = self._group.between(reached, wanted.up_to, 1)
        poison = Rejection(
            RejectionCode.POISON, f"was replayed {TRIES} times, never to its end: it may kill its reader"
        )
        missing = [
            IncomingMalformed(entry.id, entry.fields, poison) for entry in entries if not self._is_recorded(entry)
        ]
        return self.take_in(Judged(entries[-1].id if entries else wanted.up_to, len(entries), missing, 0))

    def _is_recorded(self, entry: Entry) -> bool:
        """Whether a notification was made from this entry. Two partitions may each have an entry of one id."""
        named = dict(entry.fields)
        said = named.get(b"producer"), named.get(b"idempotency_key")
        found = notifications_of_entry(self._database, entry.id, limit=PARTITIONS)
        return any((each.producer.encode(), each.idempotency_key.encode()) == said for each in found)

    def _missing(self, entries: Sequence[Incoming]) -> list[Incoming]:
        known = accepted_fingerprints(
            self._database, list({e.intent.notification_id for e in entries if isinstance(e, IncomingIntent)})
        )
        asked = [e.cancellation.notification_id for e in entries if isinstance(e, IncomingCancellation)]
        cancelled = known_cancellations(self._database, asked)
        missing = [e for e in entries if not (_is_accepted(e, known) or _is_cancelled(e, cancelled))]
        # An entry that was malformed stays so, even if it would be accepted by now: an operator resubmits it.
        malformed = known_malformed(self._database, self._stream, [(e.entry_id, e.raw) for e in missing])
        return [e for e in missing if e.entry_id not in malformed]


def _is_cancelled(entry: Incoming, cancelled: set[str]) -> bool:
    return isinstance(entry, IncomingCancellation) and entry.cancellation.notification_id in cancelled


def _is_accepted(entry: Incoming, known: dict[str, str]) -> bool:
    return isinstance(entry, IncomingIntent) and known.get(entry.intent.notification_id) == entry.intent.fingerprint
