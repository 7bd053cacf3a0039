"""Reads W3C trace contexts, and derives ids of spans: a repetition has the id of what it repeats (R22, R26).

W3C, "Trace Context": https://www.w3.org/TR/trace-context-2/
"""

import hashlib
import re
from dataclasses import dataclass

# version - trace id - parent id - flags. A later version may have more behind a further hyphen; ff is none.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 0x01
# The flags whose meaning is known: sampled, and a random trace id. All others are to be set to zero.
_KNOWN = 0x03


@dataclass(frozen=True, slots=True)
class Traceparent:
    """A span of a trace, as W3C's header names it.

    trace_id: 32 hex digits. span_id: 16 hex digits. flags: the known ones.
    """

    trace_id: str
    span_id: str
    flags: int

    @property
    def is_sampled(self) -> bool:
        """Whether the trace is recorded. If not, nobody makes spans for it."""
        return bool(self.flags & _SAMPLED)

    def child(self, span_id: str) -> "Traceparent":
        """Returns the same trace at another span."""
        return Traceparent(self.trace_id, span_id, self.flags)

    def __str__(self) -> str:
        """The header's value, in version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def parse_traceparent(text: str | None) -> Traceparent | None:
    """Returns the trace context of this text; None if it is none. Raises nothing, whatever the text is."""
    found = _TRACEPARENT.fullmatch(text) if text else None
    if found is None or (found[1] == "00" and found[5]):
        return None
    return Traceparent(found[2], found[3], int(found[4], 16) & _KNOWN)


def span_id_of(*parts: object) -> str:
    """Returns the id of the span that these parts name: 16 hex digits, the same for the same parts."""
    digest = hashlib.sha256("\n".join(map(str, parts)).encode(errors="surrogatepass")).hexdigest()[:16]
    # An id of zeroes is none.
    return digest if int(digest, 16) else "0000000000000001"


def route_context(text: str | None, delivery_id: str, replay: int) -> Traceparent | None:
    """Returns where a route stands in its producer's trace. Its command names this context, the same at each attempt.

    text: what the producer gave as trace_id. None is returned unless it is a trace context.
    """
    parent = parse_traceparent(text)
    return parent and parent.child(span_id_of("route", delivery_id, replay))
