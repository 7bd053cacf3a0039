"""The intents of the model test, and the routes and records that each must become."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from hypothesis import strategies as st

from publisher.domain.channel import Channel
from publisher.domain.intent_parsing import parse_intent
from publisher.domain.notification import notification_id_of
from publisher.domain.planning import plan_routes
from publisher.domain.rejection import Rejection
from storage.accepting.intents import IncomingIntent, IncomingMalformed
from tests.factories import intent_fields, raw
from tests.faults.model import Model
from tests.faults.model_route import RouteState

MAX_ATTEMPTS = {"email": 3, "push": 1}
ENVIRON = {f"PUBLISHER_{name.upper()}_MAX_ATTEMPTS": str(number) for name, number in MAX_ATTEMPTS.items()}

# Fields of an intent, and the routes they must make, each with whether it encodes; None: skipped for want of an
# address (R3).
KINDS = {
    "both": ({"recipients_json": [{"user_id": "7", "email": "a@b.c"}]}, {"email:user:7": True, "push:user:7": True}),
    "no address": ({"recipients_json": [{"user_id": "7"}]}, {"email:user:7": None, "push:user:7": True}),
    "bad address": (
        {"recipients_json": [{"user_id": "7", "email": "a"}, {"user_id": "8", "email": "a@b@c"}]},
        {"email:user:7": False, "email:user:8": False, "push:user:7": True, "push:user:8": True},
    ),
    "three": (
        {"recipients_json": [{"user_id": n} for n in "123"], "channels_json": ["push"]},
        {f"push:user:{n}": True for n in "123"},
    ),
    "deadline": (
        {"recipients_json": [{"user_id": "9", "email": "a@b.c"}], "expires_at_ms": "4102444800000"},
        {"email:user:9": True, "push:user:9": True},
    ),
    "mailbox": (
        {"recipients_json": [{"email": "{ops}@b.c"}], "audience_kind": "admin_email"},
        {"email:address:{ops}@b.c": True},
    ),
}


class Entry(NamedTuple):
    """An entry of the intents stream. The same kind and number twice is one idempotency key, content tells the rest."""

    kind: str
    number: int
    content: int
    malformed: bool

    @property
    def key(self) -> str:
        """The idempotency key."""
        return f"{self.kind} {self.number}"

    @property
    def fields(self) -> dict[str, str]:
        """The fields as they stand on the stream."""
        fields = intent_fields(
            **KINDS[self.kind][0], idempotency_key=self.key, payload_json={"content": self.content}, producer="model"
        )
        return fields | ({"occurred_at_ms": "now"} if self.malformed else {})


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.sampled_from(sorted(KINDS)),
        st.integers(0, 7),
        st.sampled_from((0, 0, 0, 1)),
        st.sampled_from((False, False, False, True)),
    ),
    min_size=1,
    max_size=5,
)


def prepared(
    batch: Sequence[tuple[str, Entry]], channels: Mapping[str, Channel]
) -> tuple[list[IncomingIntent], list[IncomingMalformed]]:
    """The entries as intake hands them to storage."""
    intents, malformed = [], []
    for entry_id, entry in batch:
        fields = raw(entry.fields)
        parsed = parse_intent(fields, channels)
        if isinstance(parsed, Rejection):
            malformed.append(IncomingMalformed(entry_id, fields, parsed))
        else:
            intents.append(IncomingIntent(entry_id, fields, parsed, plan_routes(parsed, channels)))
    return intents, malformed


def arrive(model: Model, batch: Sequence[tuple[str, Entry]], handover: str | None) -> dict[str, list[str]]:
    """The same entries for the model. Returns the entry ids by what must become of them.

    handover: the token under which the routes of accepted intents are handed over.
    """
    became: dict[str, list[str]] = {"accepted": [], "duplicate": [], "conflict": [], "malformed": []}
    for entry_id, entry in batch:
        if entry.malformed:
            model.malformed[entry_id] = "invalid_field"
            became["malformed"].append(entry_id)
            continue
        fields, encoding = KINDS[entry.kind]
        late = False if "expires_at_ms" in fields else None
        routes = {route_id: replace(_state(route_id, encodes), late=late) for route_id, encodes in encoding.items()}
        notification_id = notification_id_of("model", entry.key)
        word = model.accept(entry_id, notification_id, entry.content, routes)
        if word == "accepted" and handover is not None:
            model.hand_over(handover, notification_id)
        became[word].append(entry_id)
    return became


def _state(route_id: str, encodes: bool | None) -> RouteState:
    channel = route_id.partition(":")[0]
    if encodes is None:
        return RouteState(channel, False, MAX_ATTEMPTS[channel], status="skipped", due=None)
    return RouteState(channel, encodes, MAX_ATTEMPTS[channel])
