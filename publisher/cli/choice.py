"""A request that can mean several things, with a line to paste for each."""

from collections.abc import Sequence

from publisher.domain.errors import BadRequest


class Choice(BadRequest):
    """An id that names several things. lines: one for each, a command and what it would be about."""

    def __init__(self, text: str, lines: Sequence[tuple[str, str]]) -> None:
        super().__init__(f"{text}: {'; '.join(f'{command} ({about})' for command, about in lines)}")
        self.text = text
        self.lines = lines
