"""Says what must be mended before a route that failed can be published, and whether a requeue helps after that (R7)."""

from dataclasses import dataclass

from publisher.domain.attempt import LEASE_EXPIRED, PAYLOAD_ENCODING_FAILED
from publisher.domain.channel import encoder_raised, is_over_limit
from publisher.domain.stream_address import read_address, whole_of
from publisher.streams.append_result import OF_ANOTHER_TYPE, PARTITION_AWAY, PARTITION_REFUSES

# The first words of what a stream or its server answered, and when it takes commands again.
_ANSWERS = (
    (OF_ANOTHER_TYPE, "the key of the rate limit is deleted, and a token bucket takes its place"),
    ("WRONGTYPE", "{stream} is a stream again: another kind of key has that name, and must be moved away"),
    ("OOM", "Redis has memory again: it is full"),
    ("NOPERM", "the Redis user of the service may write {stream}"),
    ("ERR ACL failure", "the Redis user of the service may write {stream}"),
    ("ERR The user executing the script", "the Redis user of the service may write {stream}"),
    ("MISCONF", "Redis can write to its disk again"),
    ("READONLY", "the URL of that Redis leads to the primary: a replica answers now"),
    ("Redis is not available", "Redis is available again"),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """What keeps a route from being published.

    until: the state in which it can be published, as words that follow `once`. None: it never can, as it is stored.
    reason: why not. correction: what a new intent must have instead. Both blank where `until` is given.
    """

    until: str | None
    reason: str = ""
    correction: str = ""

    @property
    def can_pass(self) -> bool:
        """Whether a further attempt can succeed."""
        return self.until is not None


def cause_of(classification: str | None, message: str | None, channel: str, stream: str | None) -> Cause:
    """Returns the cause of a failure on record.

    stream: where the channel publishes now; None: it is not installed.
    """
    text = message or ""
    if classification == LEASE_EXPIRED:
        return Cause("its workers no longer end on it: see their logs, and whether the platform killed them for memory")
    if classification != PAYLOAD_ENCODING_FAILED:
        return Cause(stream_takes_commands(text, stream or f"the stream of {channel}"))
    if encoder_raised(text, channel):
        return Cause(f"the package of channel {channel} is mended or upgraded on every worker")
    if is_over_limit(text):
        return Cause(None, "the payload is stored with the notification, and stays too large", "a smaller payload")
    if channel == "email":
        return Cause(None, "the address is stored with the route, and stays as it is", "the correct address")
    return Cause(
        None,
        "the same notification makes the same command, unless another release of its channel encodes it",
        "what the message names corrected",
    )


def another_intent(cause: Cause) -> str:
    """The sentence that says how what a route was to bring can still be sent."""
    return (
        f"To send it all the same, correct it at the producer: an intent with {cause.correction}, under another"
        " idempotency key, makes a new notification."
    )


def stream_takes_commands(message: str, stream: str) -> str:
    """The state in which the stream takes commands again, by what it answered, as words that follow `once`."""
    said = message
    for prefix in PARTITION_AWAY, PARTITION_REFUSES:
        if said.startswith(prefix):
            # Which one is not told, and another one than the route's keeps it waiting as well.
            said, stream = said.removeprefix(prefix), f"each partition of {whole_of(read_address(stream).stream)}"
    said = said.removeprefix("Redis refused: ")
    until = next((until for word, until in _ANSWERS if said.startswith(word)), "{stream} takes commands again")
    return until.format(stream=stream)
