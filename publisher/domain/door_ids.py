"""Ids of what came over HTTP, where what came by a stream has the id of its entry: `door:<token>/<milliseconds>-<n>`.

The token's number says who sent it, and the milliseconds when it came, by the clock of the process that received it.
"""

import re

from publisher.domain.entry_ids import place

_DOOR_ID = re.compile(r"door:[0-9]{1,18}/[0-9]{1,15}-[0-9]{1,20}", re.ASCII)


def door_id(token_id: int, milliseconds: int, number: int) -> str:
    """Returns the id of what came with this token. number: tells apart what came in one millisecond."""
    return f"door:{token_id}/{milliseconds}-{number}"


def is_door_id(text: str) -> bool:
    """Returns whether the text is such an id."""
    return _DOOR_ID.fullmatch(text) is not None


def came_at(id_: str) -> int:
    """Returns when it came, in Unix milliseconds: of the id of a stream's entry as well."""
    return place(id_.rpartition("/")[2])[0]


def source_words(id_: str) -> str:
    """Words what an intent, a cancellation or an event came by: `entry 1773480413589-0`, `HTTP request door:3/…`."""
    return f"HTTP request {id_}" if is_door_id(id_) else f"entry {id_}"
