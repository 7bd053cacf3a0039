"""Reads an id in every form in which a command prints it: text in, the ids that it can be out. Asks no server."""

import re
import uuid
from dataclasses import dataclass, replace

from publisher.domain.door_ids import is_door_id
from publisher.domain.notification import notification_id_of
from storage.ids.named import NamedKind, Wanted

# As a prefix of an id: it says of which kind the id is. `key:` and `entry:` name a thing by an id that is not its own.
KEY, ENTRY = "key", "entry"
_NUMBERED = {
    "route": NamedKind.ROUTE,
    "dead-letter": NamedKind.DEAD_LETTER,
    "malformed": NamedKind.MALFORMED,
    "action": NamedKind.ACTION,
    "loss": NamedKind.LOSS,
}
# As messages write it, too: `dead letter 17`, `malformed intent 17`.
_PREFIX = re.compile(
    r"(?P<kind>notification|delivery|entry|key|route|dead[- _]letter|malformed(?: intent)?|action|loss)(?::|\s+)\s*"
    r"(?P<id>.+)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3})+", re.ASCII)
_ENTRY_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)
# A malformed intent whose entry id came again has the number of its record behind it.
_STEPPED_ASIDE = re.compile(r"[0-9]{1,20}-[0-9]{1,20}~[0-9]{1,18}", re.ASCII)
_BEGINNING = re.compile(r"(?P<hex>[0-9a-f][0-9a-f-]{7,35})(?:…|\.\.\.?)?(?:/(?P<route>.+))?", re.ASCII | re.IGNORECASE)
_LARGEST = 2**64 - 1
# A producer's name may hold slashes: of PRODUCER/KEY so many places are tried.
_SPLITS = 8
_AROUND = " \t\r\n\"'`‘’“”«»<>()[]{}#,;.:…"


@dataclass(frozen=True, slots=True)
class Forms:
    """What a text can be.

    text: the id as it was given.
    wanted: the ids to look for.
    number: the text is a bare number, which can be of any kind that is numbered.
    notification: the text is a notification id or a delivery id.
    entry_id: the text as an entry of a stream, or None.
    route_id: the route of a delivery id, or None.
    """

    text: str
    wanted: Wanted
    number: bool = False
    notification: bool = False
    entry_id: str | None = None
    route_id: str | None = None


def forms(text: str, producer: str | None = None) -> Forms:
    """Returns everything that the text can be. Any text can be an idempotency key.

    producer: the key is this one's. None: any producer's.
    """
    matched = _PREFIX.fullmatch(text)
    kind = re.sub(r"[ _]", "-", matched["kind"].lower()).removesuffix("-intent") if matched else ""
    found = _said(kind, matched["id"]) if matched else _bare(text)
    keys = [text, *([matched["id"]] if matched and kind == KEY else [])]
    if producer is None:
        derived = [id_ for key in keys for id_ in _of_pairs(key)]
        wanted = replace(found.wanted, keys=keys)
    else:
        derived = [notification_id_of(producer, key) for key in keys]
        wanted = found.wanted
    ids = [*wanted.notification_ids, *derived]
    return replace(found, text=text, wanted=replace(wanted, notification_ids=ids))


def cleaned(text: str) -> str:
    """Returns the text without the quotes, brackets and signs around it, and a number without separators."""
    bare = text.strip(_AROUND)
    return bare.replace(",", "") if _GROUPED.fullmatch(bare) else bare


def beginning(text: str) -> tuple[str, str, str | None] | None:
    """Returns the first and the last notification id that begin as the text does, and the route id behind it.

    None if the text is no beginning of at least eight hexadecimal digits.
    """
    matched = _BEGINNING.fullmatch(text)
    digits = matched["hex"].replace("-", "") if matched else ""
    if not matched or not 8 <= len(digits) <= 32:
        return None
    return str(uuid.UUID(digits.ljust(32, "0"))), str(uuid.UUID(digits.ljust(32, "f"))), matched["route"]


def is_entry_id(text: str) -> bool:
    """Returns whether an entry of a stream can have this id. It may be an idempotency key all the same."""
    matched = _ENTRY_ID.fullmatch(text)
    return matched is not None and all(int(part) <= _LARGEST for part in matched.groups())


def as_delivery(text: str) -> tuple[str | None, str | None]:
    """Returns the notification id and the route id that the text may be, None for each that it is not."""
    notification_id, _, route_id = text.partition("/")
    try:
        return str(uuid.UUID(notification_id)), route_id or None
    except ValueError:
        return None, None


def _said(kind: str, id_: str) -> Forms:
    """Returns the form of an id of the kind that its prefix names."""
    if kind in _NUMBERED and _NUMBER.fullmatch(id_):
        # Each kind that is numbered is a field of Wanted.
        return Forms(id_, replace(Wanted(), **{_NUMBERED[kind].value: int(id_)}))  # type: ignore[arg-type]
    if kind == KEY or _NUMBER.fullmatch(id_):
        return Forms(id_, Wanted())
    return _bare(id_)


def _bare(text: str) -> Forms:
    if _NUMBER.fullmatch(text):
        number = int(text)
        return Forms(text, Wanted(route=number, dead_letter=number, malformed=number, action=number, loss=number), True)
    if is_entry_id(text):
        return Forms(text, Wanted(entry_ids=[text]), entry_id=text)
    if _STEPPED_ASIDE.fullmatch(text) or is_door_id(text):
        return Forms(text, Wanted(entry_ids=[text]))
    notification_id, route_id = as_delivery(text)
    ids = [notification_id] if notification_id else []
    return Forms(text, Wanted(notification_ids=ids), notification=bool(ids), route_id=route_id if ids else None)


def _of_pairs(text: str) -> list[str]:
    """Returns the ids of the notifications that PRODUCER/KEY can name."""
    slashes = [place for place, sign in enumerate(text) if sign == "/"][:_SPLITS]
    return [notification_id_of(text[:place], text[place + 1 :]) for place in slashes if 0 < place < len(text) - 1]
