"""Reads fields of JSON that a provider sends, where each may be missing or of another type."""

import json
from collections.abc import Mapping

from publisher.mail.reports.report import NotAReport

# As much as a provider sends with the headers of a message.
LONGEST = 1024 * 1024


def json_object(text: str | bytes) -> Mapping[str, object] | NotAReport:
    """Returns the JSON object that this is. Never raises."""
    if len(text) > LONGEST:
        return NotAReport(f"it is longer than {LONGEST:,} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return NotAReport("it is not JSON")
    return found if isinstance(found, dict) else NotAReport("it is not a JSON object")


def text_of(fields: Mapping[str, object], name: str) -> str | None:
    """Returns the field as text; None if it is missing, blank, or neither text nor a number."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    # NUL and halves of characters cannot be kept in PostgreSQL.
    whole = value if isinstance(value, str) else str(value)
    return whole.replace("\0", "").encode("utf-8", "replace").decode().strip() or None


def object_of(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Returns the field as an object; an empty one if it is none."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def objects_of(fields: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    """Returns the objects in a list; what is no object is left out."""
    value = fields.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts_of(fields: Mapping[str, object], name: str) -> list[str]:
    """Returns the texts in a list; what is no text is left out."""
    value = fields.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def chosen(fields: Mapping[str, object], *names: str) -> dict[str, str]:
    """Returns those of the named fields that are texts or numbers."""
    return {name: value for name in names if (value := text_of(fields, name)) is not None}
