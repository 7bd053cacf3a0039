"""Intents that were not accepted, as intake records them."""

from typing import Any

from publisher.domain.rejection import Rejection, RejectionCode
from storage.accepting.intents import IncomingMalformed, RawFields
from storage.database import Database
from tests.factories import INTENTS, accept, intent_fields, raw


def record_entry(database: Database, entry: RawFields, code: str = "unknown_channel", entry_id: str = "17-1") -> None:
    """Records this entry as malformed."""
    accept(database, INTENTS, [], [IncomingMalformed(entry_id, entry, Rejection(RejectionCode(code), "why it failed"))])


def record_intent(database: Database, code: str = "unknown_channel", entry_id: str = "17-1", **fields: Any) -> None:
    """Records an intent with these fields as malformed."""
    record_entry(database, raw(intent_fields(**fields)), code, entry_id)
