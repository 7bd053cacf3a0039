"""The sections of a page are read side by side, within the time that a page has."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from publisher.domain.errors import BadRequest, DatabaseUnavailable, Unavailable
from publisher.web.reading import Began, NotRead, Reading


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """What a read waits for that hangs; it is set at the end, so that its thread can end."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def reading() -> Iterator[Reading]:
    """Two threads, and a budget that a test can wait for."""
    found = Reading(2, timedelta(milliseconds=200))
    yield found
    found.close()


def _raise() -> int:
    raise DatabaseUnavailable("PostgreSQL is not available: gone")


def test_what_could_not_be_read_stands_beside_what_could(reading: Reading) -> None:
    """A section whose server is away says why, and the others are there (R35)."""
    found = asyncio.run(reading.sections({"store": _raise, "streams": lambda: 7}))
    assert found == {"store": NotRead("PostgreSQL is not available: gone"), "streams": 7}


def test_a_server_that_hangs_costs_a_page_its_budget_and_no_more(reading: Reading, hanging: threading.Event) -> None:
    """A section that hangs is left behind, and said to have come too late (R35)."""
    found = asyncio.run(reading.sections({"store": hanging.wait, "streams": lambda: 7}))
    assert found["streams"] == 7
    assert isinstance(found["store"], NotRead)
    assert "no answer within" in found["store"].reason


def test_hanging_reads_take_no_more_threads_than_there_are(reading: Reading, hanging: threading.Event) -> None:
    """While every thread hangs, further pages say so in time, and what nobody had begun is never begun."""
    begun: list[int] = []

    def count() -> bool:
        begun.append(1)
        return hanging.wait()

    async def pages() -> None:
        for _ in range(3):
            found = await reading.sections({"store": count, "streams": count})
            assert all(isinstance(each, NotRead) for each in found.values())

    asyncio.run(pages())
    assert len(begun) == 2


def test_pages_are_read_again_as_soon_as_the_server_answers(reading: Reading, hanging: threading.Event) -> None:
    """Once a server that hung answers, the next page has everything."""

    async def pages() -> None:
        await reading.sections({"a": hanging.wait, "b": hanging.wait})
        hanging.set()
        assert await reading.sections({"a": lambda: 1, "b": lambda: 2}) == {"a": 1, "b": 2}

    asyncio.run(pages())


def test_after_a_change_that_took_the_time_of_the_page_no_server_is_said_not_to_answer(
    reading: Reading, hanging: threading.Event
) -> None:
    """What is not asked any more is not begun, and is said so (R35)."""
    changing, begun = Reading(1, timedelta(milliseconds=300)), list[int]()

    async def page(*_: object) -> None:
        with pytest.raises(Unavailable):
            await changing.one(hanging.wait)
        found = await reading.sections({"streams": lambda: begun.append(1)})
        assert found == {"streams": NotRead("no server was asked: the time of this page had gone by")}

    async def nothing(*_: object) -> dict[str, object]:
        return {}

    asyncio.run(Began(page)({}, nothing, nothing))
    changing.close()
    assert begun == []


def test_a_bug_is_no_server_that_is_away(reading: Reading) -> None:
    """An error that no server causes is raised: a page must not hide a bug."""
    with pytest.raises(ZeroDivisionError):
        asyncio.run(reading.sections({"store": lambda: 1 // 0}))


def test_what_cannot_be_asked_for_is_no_server_that_is_away(reading: Reading) -> None:
    """A name that nothing has is told to whoever typed it, whichever of the sections noticed it."""

    def refuse() -> int:
        raise BadRequest("no channel is called pigeon")

    with pytest.raises(BadRequest, match="pigeon"):
        asyncio.run(reading.sections({"newest": lambda: 1, "counted": refuse, "both": refuse}))


def test_a_read_alone_that_hangs_is_an_error(reading: Reading, hanging: threading.Event) -> None:
    """A page that needs one answer says that it did not come in time."""
    with pytest.raises(Unavailable, match="no answer within"):
        asyncio.run(reading.one(hanging.wait))
