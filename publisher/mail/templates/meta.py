"""Reads a template's `meta.toml`: who sends its messages, where answers go, and how one unsubscribes (RFC 8058)."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from publisher.domain.mailbox import Mailbox, parse_mailbox

_KEYS = ("from", "reply_to", "list_unsubscribe")


@dataclass(frozen=True, slots=True)
class TemplateMeta:
    """What holds for every message of a template.

    sender: None: the mail service's own.
    reply_to: empty: answers go to the sender.
    unsubscribe: URLs as templates, of the same variables as the texts; empty: the header is left out.
    """

    sender: Mailbox | None = None
    reply_to: tuple[Mailbox, ...] = ()
    unsubscribe: tuple[str, ...] = ()


class BadMeta(Exception):
    """The file says something that it cannot. The text says what."""


def read_meta(text: str) -> TemplateMeta:
    """Returns what the file says. Raises BadMeta."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadMeta(f"it is not TOML: {error}") from error
    for key in found:
        if key not in _KEYS:
            raise BadMeta(f"it has no key {key!r}; there are: {', '.join(_KEYS)}")
    senders = [_mailbox("from", each) for each in _texts(found, "from")]
    if len(senders) > 1:
        raise BadMeta("from must be one mailbox")
    return TemplateMeta(
        senders[0] if senders else None,
        tuple([_mailbox("reply_to", each) for each in _texts(found, "reply_to")]),
        tuple(_texts(found, "list_unsubscribe")),
    )


def _texts(found: dict[str, object], key: str) -> Sequence[str]:
    given = found.get(key, [])
    listed = given if isinstance(given, list) else [given]
    texts = [text for text in listed if isinstance(text, str) and text.strip()]
    if len(texts) < len(listed):
        raise BadMeta(f"{key} must be text, or a list of texts")
    return texts


def _mailbox(key: str, text: str) -> Mailbox:
    mailbox = parse_mailbox(text)
    if mailbox is None:
        raise BadMeta(f"{key} must be an address, such as: Shop <noreply@example.com>; a name with a comma is quoted")
    return mailbox
