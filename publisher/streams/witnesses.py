"""Finds the witnesses of deliveries: the keys that say which command stands on which stream or partition (R12)."""

import re
from collections.abc import Sequence

from publisher.domain.stream_address import StreamAddress, read_address
from publisher.streams.keys import witness_key

_ENTRY_ID = re.compile(r"[0-9]+-[0-9]+", re.ASCII)
# Names a witness: the address of its stream, the delivery id and the replay.
WitnessOf = tuple[str, str, int]


def by_part(deliveries: Sequence[WitnessOf]) -> dict[StreamAddress, list[int]]:
    """Groups the deliveries' places by stream or partition: one call keeps to one, and so to one cluster slot."""
    places: dict[StreamAddress, list[int]] = {}
    for place, (address, delivery_id, _) in enumerate(deliveries):
        places.setdefault(read_address(address).part(delivery_id), []).append(place)
    return places


def witness(part: StreamAddress, of: WitnessOf) -> str:
    """Returns the key of the witness of a delivery on this stream or partition."""
    _, delivery_id, replay = of
    return witness_key(part.stream, delivery_id, replay)


def entry_id(value: object) -> str | None:
    """Returns the entry id in a witness, or None: a tombstone holds none."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else ""
    return text if _ENTRY_ID.fullmatch(text) else None
