"""Collects the names by which a report that came by mail may mean a delivery."""

import re
from collections.abc import Iterable

from publisher.mail.reports.parts import Parts
from publisher.mail.reports.report import DeliveryNames

# Headers that name the address to which a report was delivered. The mailbox's own server writes the first ones.
_DELIVERED_TO = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to", "to")
# Headers of the report that refer to the message.
_REFERRING = ("in-reply-to", "references")
_WORD = r"\s<>()\[\],;:\"@"
# Looked for where a word begins alone, so that a long text is read once.
_ADDRESS = re.compile(rf"(?<![^{_WORD}])[^{_WORD}]{{1,200}}@[^{_WORD}]{{1,255}}")
_MESSAGE_ID = re.compile(r"<[^\s<>]{1,500}>")
_MOST = 20


def names_in(parts: Parts, envelope_of_original: Iterable[str] = ()) -> DeliveryNames:
    """Returns the names in a report's headers, and in those of the message that it returns.

    envelope_of_original: further texts with the address from which the message came.
    """
    envelope = [value for name in _DELIVERED_TO for value in parts.headers.get(name, [])]
    envelope += [*parts.original.get("return-path", []), *envelope_of_original]
    of_message = parts.original.get("message-id", [])
    referring = [value for name in _REFERRING for value in parts.headers.get(name, [])]
    return DeliveryNames(
        _distinct(found for value in envelope for found in _ADDRESS.findall(value)),
        _distinct(value for value in parts.original.get("x-delivery-id", []) if value),
        _distinct(found for value in [*of_message, *referring] for found in _MESSAGE_ID.findall(value)),
    )


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))[:_MOST]
