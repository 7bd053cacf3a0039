"""Suppressed addresses as an operator sees and changes them (R33). Each change is an action (R34)."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta

from publisher.domain.errors import BadRequest, NotFound
from publisher.domain.mailbox import parse_address
from publisher.domain.suppression import SuppressionReason, comparable_address
from publisher.operations.changes.audited import audited
from storage.actions import advance_action
from storage.database import Database
from storage.mail import suppressions as store
from storage.mail.suppressions import (
    Suppression,
    SuppressionFilter,
    find_suppression,
    list_suppressions,
)

__all__ = [
    "Suppression",
    "SuppressionFilter",
    "SuppressionReason",
    "add",
    "checked_address",
    "compared_domain",
    "find",
    "find_suppression",
    "list_suppressions",
    "remove",
    "suppression_fields",
]

_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+|\"[^\"]+\"@[^\s@]+")


def checked_address(address: str) -> str:
    """Returns an address that is to be suppressed, as it is compared.

    Raises BadRequest for a text that is none to which mail can be sent: to suppress `<ann@example.com>` stops nothing.
    """
    compared = _compared_address(address)
    if parse_address(compared) is None:
        raise _no_address()
    return compared


def compared_domain(domain: str) -> str:
    """Returns a domain as those of suppressed addresses stand there. Raises BadRequest for a text that is none."""
    return _compared_address(f"any@{domain.strip().removeprefix('@')}").partition("@")[2]


def add(database: Database, address: str, note: str | None, by: str, kept: timedelta | None) -> Suppression:
    """Suppresses an address, in the place of a suppression that is there. kept: None until it is removed.

    Raises BadRequest for what is no address.
    """
    target = {"address": checked_address(address), "note": note}
    with audited(database, "add-suppression", by, _without_none(target)) as action:
        added = store.add_suppression(database, address, note, by, kept)
        advance_action(database, action.id, 1)
    return added


def find(database: Database, address: str) -> Suppression:
    """Returns the suppression of the address. Raises BadRequest for what is no address, and NotFound."""
    checked = _compared_address(address)
    found = find_suppression(database, checked)
    if found is None:
        raise _not_found()
    return found


def remove(database: Database, address: str, by: str) -> Suppression:
    """Removes a suppression, and returns it as it was: the next message to the address is sent. Raises NotFound."""
    target = {"address": _compared_address(address)}
    with audited(database, "remove-suppression", by, target) as action:
        removed = store.remove_suppression(database, address)
        if removed is None:
            raise _not_found()
        advance_action(database, action.id, 1)
    return removed


def suppression_fields(suppression: Suppression) -> dict[str, object]:
    """The fields of a suppression, by the names that --json prints."""
    return asdict(suppression)


def _compared_address(address: str) -> str:
    # A bounce may have suppressed one of a form that only another mail service sends to.
    if _ADDRESS.fullmatch(address.strip()) is None or not address.strip().isprintable():
        raise _no_address()
    return comparable_address(address)


def _no_address() -> BadRequest:
    return BadRequest("ADDRESS must be an email address, such as ann@example.com")


def _without_none(target: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in target.items() if value is not None}


def _not_found() -> NotFound:
    # An error holds no address (R36).
    return NotFound("this address is not suppressed: 'publisher mailer suppressions list' shows those that are")
