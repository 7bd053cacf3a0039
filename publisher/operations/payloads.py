"""Payloads as a person reads them: laid out over lines, and cut where they are long."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from publisher.domain.json_layout import laid_out
from storage.database import Database
from storage.payloads import read_payloads

# A page stays readable, and its answer small.
_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Payload:
    """The payload of a notification. text: its JSON, laid out. is_cut: the text ends before the payload does."""

    text: str
    is_cut: bool


def payloads(database: Database, notification_ids: Collection[str]) -> Mapping[str, Payload]:
    """Returns the payload of each of these notifications that exists, by notification id."""
    found = read_payloads(database, notification_ids, _MOST)
    return {id_: Payload(laid_out(text), is_cut) for id_, (text, is_cut) in found.items()}
