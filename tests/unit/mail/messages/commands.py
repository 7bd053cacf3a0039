"""Commands of the email channel, as they stand on its stream, for tests of the mail service."""

import json
from typing import Any

from publisher.mail.messages.command import MailCommand, parse_command

DELIVERY = "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:7"


def raw_command(fields: dict[str, Any] | None = None, **members: Any) -> list[tuple[bytes, bytes]]:
    """The entry of a command. members: of its payload; fields: others than usual. None and ... leave one out."""
    payload: dict[str, Any] = {"to": ["ann@example.com"], "template_id": "game.turn.ready", "locale": "en"}
    payload |= {"cc": [], "bcc": [], "reply_to": [], "attachments": [], "variables": {}} | members
    found: dict[str, Any] = {
        "delivery_id": DELIVERY,
        "source": "notification",
        "payload_mode": "template",
        "idempotency_key": f"notification:{DELIVERY}",
        "requested_at_ms": "1773480413589",
        "payload_json": json.dumps({name: value for name, value in payload.items() if value is not ...}),
    } | (fields or {})
    return [(name.encode(), str(value).encode()) for name, value in found.items() if value is not None]


def command(fields: dict[str, Any] | None = None, **members: Any) -> MailCommand:
    """The parsed command."""
    parsed = parse_command(raw_command(fields, **members))
    assert isinstance(parsed, MailCommand), parsed
    return parsed
