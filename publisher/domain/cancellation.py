"""A producer's cancellation: an entry of the intents stream that takes one of its intents back (R28)."""

from dataclasses import dataclass, field

from pydantic import BaseModel

from publisher.domain.intent_fields import STRICT, Producer, Reference, TraceText
from publisher.domain.notification import notification_id_of

# The field that makes an entry a cancellation.
CANCELS = "cancels"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A valid cancellation.

    idempotency_key: of the intent that is to be cancelled, which has the same producer.
    request_id, trace_id: None if the producer gave none.
    notification_id: of the notification that the intent is, or would be (R1).
    """

    producer: str
    idempotency_key: str
    request_id: str | None
    trace_id: str | None
    notification_id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "notification_id", notification_id_of(self.producer, self.idempotency_key))


class CancellationFields(BaseModel):
    """The fields of a cancellation, under their names on the stream. It has no others: content makes it malformed."""

    model_config = STRICT

    producer: Producer
    cancels: Reference
    request_id: TraceText | None = None
    trace_id: TraceText | None = None

    @property
    def cancellation(self) -> Cancellation:
        """The cancellation that they make. Blank request and trace ids count as none."""
        return Cancellation(self.producer, self.cancels, self.request_id or None, self.trace_id or None)
