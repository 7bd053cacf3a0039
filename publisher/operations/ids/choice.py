"""An id that is not the id of one thing that can be shown or acted on: errors that say what was meant instead."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from publisher.domain.errors import BadRequest, NotFound

if TYPE_CHECKING:
    # With PostgreSQL's driver, which the completion of a command at a key press does without.
    from storage.ids.named import Named


class Choice(BadRequest):
    """An id that names several things.

    lines: one for each, a command to paste and what it would be about.
    things: the same, in this order.
    """

    def __init__(self, text: str, lines: Sequence[tuple[str, str]], things: "Sequence[Named]") -> None:
        super().__init__(f"{text}: {'; '.join(f'{command} ({about})' for command, about in lines)}")
        self.text = text
        self.lines = lines
        self.things = things


class OtherKind(BadRequest):
    """An id of a thing that the command, or the page, does nothing with. thing: the one that it names."""

    def __init__(self, text: str, thing: "Named") -> None:
        super().__init__(text)
        self.thing = thing


class UnknownId(NotFound):
    """An id that nothing has. keys: idempotency keys that are nearly the same."""

    def __init__(self, text: str, keys: Sequence[str]) -> None:
        super().__init__(text)
        self.keys = keys
