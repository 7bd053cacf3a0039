"""What the page Find offers at a sentence, and where an id leads: buttons and links beside the terminal's own words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from publisher.domain.masking import masked
from publisher.operations.ids.resolution import Named, NamedKind
from publisher.operations.remedy.carry_out import CHANGING, OF_A_ROUTE
from publisher.operations.remedy.remedy import Advice, Remedy
from publisher.operations.remedy.wording import command_of
from storage.routes import RouteRecord


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be done about what a sentence says.

    label: of the button or the link; blank: there is neither, and the command line alone is shown.
    command: the command line that it equals. It holds no address.
    about: what the button's form names. None: there is no button.
    href: where the link leads. None: there is no link.
    """

    remedy: Remedy
    label: str
    command: str
    about: str | None = None
    href: str | None = None


_LABELS: Mapping[Remedy, str] = {
    Remedy.REPUBLISH: "Publish it again",
    Remedy.REQUEUE: "Requeue it",
    Remedy.DISCARD: "Discard it",
    Remedy.RESUME_CHANNEL: "Resume the channel",
    Remedy.REMOVE_HOLD: "Remove the hold",
    Remedy.SEND_HELD: "Send it again",
    Remedy.SETTLE_HELD: "Settle it as accepted",
    Remedy.CHECK_STATUS: "See what goes on now",
    Remedy.SHOW_MALFORMED: "Show the malformed intent",
    Remedy.LOOK_UP: "Find that entry",
}
_LINKS: Mapping[Remedy, Callable[[str], str]] = {
    Remedy.CHECK_STATUS: lambda _: "/",
    Remedy.SHOW_MALFORMED: lambda number: f"/waiting/malformed/{number}",
    Remedy.LOOK_UP: lambda id_: find_path(f"entry:{id_}"),
}
_SHOWN_AT: Mapping[NamedKind, Callable[[Named], str]] = {
    NamedKind.DEAD_LETTER: lambda thing: find_path(f"dead-letter:{thing.number}"),
    NamedKind.MALFORMED: lambda thing: f"/waiting/malformed/{thing.number}",
    NamedKind.ACTION: lambda thing: f"/actions/{thing.number}",
    NamedKind.LOSS: lambda _: "/waiting",
    NamedKind.ENTRY: lambda thing: find_path(f"entry:{thing.name}"),
}


def offer(advice: Advice, route: RouteRecord | None = None) -> Offer:
    """Returns what the page offers for this advice. route: the one that the advice is about, or None."""
    remedy, about = advice.remedy, advice.about
    if remedy in OF_A_ROUTE and route is not None:
        number = f"route:{route.id}"
        named = about if masked(about) == about else number
        return Offer(remedy, _LABELS[remedy], command_of(remedy, named), about=number)
    link = _LINKS.get(remedy)
    return Offer(
        remedy,
        _LABELS.get(remedy, ""),
        command_of(remedy, about),
        about=about if remedy in CHANGING else None,
        href=None if link is None else link(about),
    )


def find_path(id_: str, producer: str | None = None, **more: object) -> str:
    """Returns the path of the page that shows this id. id_: holds no address, which has no place in a URL (R36)."""
    return "/find?" + urlencode({"id": id_, **({"producer": producer} if producer else {}), **more})


def thing_path(thing: Named) -> str:
    """Returns the path of the page that shows this thing, and nothing else that has its id."""
    if thing.kind in _SHOWN_AT:
        return _SHOWN_AT[thing.kind](thing)
    if thing.kind is NamedKind.ROUTE:
        if thing.number is not None:
            return find_path(f"route:{thing.number}")
        delivery = f"{thing.notification_id}/{thing.route_id}"
        if masked(delivery) == delivery:
            return find_path(delivery)
    return find_path(f"notification:{thing.notification_id}")


def near_paths(keys: Sequence[str]) -> list[tuple[str, str]]:
    """Returns those of these idempotency keys that may stand in a URL, each with the path that shows it."""
    return [(key, find_path(key)) for key in keys if masked(key) == key]
