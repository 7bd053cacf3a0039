"""Takes entries of the stream of delivery events in: valid ones as events, all others as malformed (R19, R32)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from publisher.domain.rejection import Rejection, RejectionCode
from storage.answers.delivery_events import IncomingEvent, record_events
from storage.database import Database
from storage.malformed.recording import IncomingMalformed, record_malformed

NO_SUCH_DELIVERY = Rejection(
    RejectionCode.UNKNOWN_DELIVERY, "delivery_id: there is no such delivery, or it was pruned", "delivery_id"
)


@dataclass(frozen=True, slots=True)
class TakenIn:
    """The result of one transaction.

    new: events that are recorded now.
    known: events that are on record.
    malformed: entries that are on record as malformed, those of unknown deliveries and conflicting ones too.
    again: ids of the known and malformed ones that an earlier reading of the very same entry has left.
    channels: delivery id -> channel, of the new and known ones.
    """

    new: Sequence[IncomingEvent] = ()
    known: Sequence[IncomingEvent] = ()
    malformed: Sequence[IncomingMalformed] = ()
    again: Collection[str] = ()
    channels: Mapping[str, str] = field(default_factory=dict)

    def told_as_new(self) -> "TakenIn":
        """The same, for the process whose own earlier try has left what came again."""
        mine = [event for event in self.known if event.entry_id in self.again]
        others = [event for event in self.known if event.entry_id not in self.again]
        return replace(self, new=[*self.new, *mine], known=others, again=())


def take_in(
    database: Database, stream: str | None, events: Sequence[IncomingEvent], malformed: Sequence[IncomingMalformed] = ()
) -> TakenIn:
    """Records these events and malformed entries, all or none, in one transaction.

    stream: whose entries they are. None: they came over HTTP. Their sender is told what is malformed, and nothing of
        that is recorded.

    An event of an unknown delivery is malformed: every delivery id was chosen here, before its command existed. So is
    one whose id its source has used for another delivery.
    May be repeated after any error. Raises DatabaseUnavailable or DatabaseRefused.
    """
    with database.unit() as connection, connection.atomic():
        recorded = record_events(connection, events)
        unknown = [(each, NO_SUCH_DELIVERY) for each in recorded.unknown]
        conflicts = [(each.incoming, each.rejection) for each in recorded.conflicts]
        refused = [IncomingMalformed(str(each.entry_id), each.raw, why) for each, why in (*unknown, *conflicts)]
        rejected = [*malformed, *refused]
        told = {each.entry_id for each in rejected}
        left = record_malformed(connection, stream, rejected) if rejected and stream is not None else told
    known_malformed = told - left
    return TakenIn(recorded.new, recorded.known, rejected, {*recorded.again, *known_malformed}, recorded.channels)
