"""Checks the parser's answer to a fuzzed entry; every function returns the problems it found (R19, R23)."""

import json
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from publisher.domain.errors import EncodingError
from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_intent
from publisher.domain.planning import PlannedRoute, plan_routes
from publisher.domain.rejection import Rejection, RejectionCode
from tests.factories import CHANNELS, notification, route
from tests.faults.fuzzed_entry import FuzzedEntry
from tests.faults.invariants import leaks

# Of this thread's own time: a busy machine is no fault of the parser's.
SECONDS = 2.0
MESSAGE_LIMIT = 2_000


def check_entry(entry: FuzzedEntry) -> tuple[str, list[str]]:
    """Parses an entry. Returns its outcome (`intent`, a malformed code or `raised`) and every problem with it."""
    began = time.thread_time()
    try:
        parsed = parse_intent(entry.fields, CHANNELS)
    except Exception as error:  # noqa: BLE001
        return "raised", [f"it raised {type(error).__name__}: {error}"[:500]]
    took = time.thread_time() - began
    slow = [f"it took {took:.1f} s"] if took > SECONDS else []
    if isinstance(parsed, Rejection):
        return parsed.code, slow + check_rejection(parsed, entry.values)
    return "intent", slow + check_intent(parsed)


def check_rejection(malformed: Rejection, values: Sequence[str]) -> list[str]:
    """A reason must be short and fit for a terminal, and tell nothing of what a producer wrote."""
    message = malformed.message
    rules = {
        "the code is none of ours": isinstance(malformed.code, RejectionCode),
        "there is no message": bool(message.strip()),
        "the message is not printable": message.isprintable(),
        f"the message has {len(message)} characters": len(message) <= MESSAGE_LIMIT,
        "the message holds a value": not leaks(message, values),
    }
    return [f"{problem}: {message[:300]!r}" for problem in _broken(rules)]


def check_intent(intent: Intent) -> list[str]:
    """What is accepted must fit into PostgreSQL and make commands, or encoding errors."""
    recipients = [text for r in intent.recipients for text in (r.user_id, r.email, r.locale)]
    texts = [intent.producer, intent.idempotency_key, intent.request_id, intent.trace_id, *recipients]
    routes = plan_routes(intent, CHANNELS)
    rules = {
        "a control character or half a pair came through": not any(map(_holds_control, filter(None, texts))),
        "the payload is no object": isinstance(json.loads(intent.payload), dict),
        "the payload is too large": len(intent.payload.encode()) <= 256 * 1024,
        "the recipients are too many or none": 1 <= len(intent.recipients) <= 1000,
        "two routes have one id": len({planned.route_id for planned in routes}) == len(routes),
    }
    return [*_broken(rules), *(problem for planned in routes[:3] for problem in _check_command(intent, planned))]


def _check_command(intent: Intent, planned: PlannedRoute) -> Iterator[str]:
    said = notification(notification_type=intent.notification_type, payload=intent.payload)
    to = route(
        route_id=planned.route_id,
        channel=planned.channel,
        recipient_ref=planned.recipient_ref,
        resolved_email=planned.resolved_email,
        resolved_locale=planned.resolved_locale,
    )
    try:
        fields = dict(CHANNELS[planned.channel].command(said, to).fields)
    except EncodingError as error:
        if "encoder raised" in str(error):
            yield str(error)
        return
    yield from check_payload(fields["payload_json"], planned.channel)


def check_payload(payload_json: str, channel: str) -> Iterator[str]:
    """A command's payload must be JSON; of an email, to one address that cannot add a header."""
    payload = json.loads(payload_json)
    if channel == "email":
        [address] = payload["to"]
        if address.count("@") != 1 or _holds_control(address):
            yield f"a command goes to {address!r}"


def _holds_control(text: str) -> bool:
    return any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in text)


def _broken(rules: Mapping[str, bool]) -> list[str]:
    return [problem for problem, fine in rules.items() if not fine]
