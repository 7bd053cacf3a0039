"""Lines for a reader that is slow, stalled or gone: no thread waits long for it, and nothing fails."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from publisher.process import log_output
from publisher.process.log_output import LineOutput, LineStream
from tests.waiting import wait_until

LINE = b"x" * 999 + b"\n"
Way = tuple[int, int]
Make = Callable[[int], LineOutput]


@pytest.fixture(params=["pipe", "socket", "pipe without a description of its own"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """The reading and the writing end of each kind of thing that a standard error may be."""
    if request.param == "socket":
        ours, theirs = socket.socketpair()
        ends = ours.detach(), theirs.detach()
    else:
        ends = os.pipe()
    if request.param.endswith("own"):

        def refused(*_: object) -> int:
            raise PermissionError

        monkeypatch.setattr(os, "open", refused)
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


@pytest.fixture
def make() -> Iterator[Callable[[int], LineOutput]]:
    """Makes an output on a descriptor."""
    with ExitStack() as stack:

        def output(descriptor: int) -> LineOutput:
            made = LineOutput(descriptor, lambda count: b"%d lines were dropped\n" % count)
            stack.callback(made.close)
            return made

        yield output


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_output, "_PATIENCE_SECONDS", 0.2)


def fill(output: LineOutput) -> int:
    """Writes lines until one is dropped, for nobody reads. Returns how many were not."""
    count = 0
    while not output._dropped:
        output.write(LINE)
        count += 1
    return count - 1


def read_all(end: int) -> bytes:
    """What can be read at this moment."""
    os.set_blocking(end, False)
    found = b""
    with suppress(BlockingIOError):
        while piece := os.read(end, 65536):
            found += piece
    return found


def test_lines_arrive_whole_and_in_order(way: Way, make: Make) -> None:
    """What is written is what is read."""
    output = make(way[1])

    for number in range(10):
        output.write(b"line %d\n" % number)

    assert read_all(way[0]) == b"".join(b"line %d\n" % number for number in range(10))


def test_a_slow_reader_gets_every_line(way: Way, make: Make) -> None:
    """A writer waits for a reader that is slower than it is: nothing is dropped."""
    output = make(way[1])
    found: list[bytes] = []

    def read() -> None:
        while piece := os.read(way[0], 512):
            found.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(2000):
        output.write(LINE)
    output.close()
    os.close(way[1])
    reader.join(20)

    assert b"".join(found) == LINE * 2000
    assert output._dropped == 0


def test_a_stalled_reader_is_waited_for_once(way: Way, monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    """Once it has been waited for in vain, lines are dropped at once, and counted."""
    output = make(way[1])
    fill(output)
    waits: list[float] = []
    whole = log_output._writable

    def writable(descriptor: int, seconds: float) -> bool:
        if seconds > 0:
            waits.append(seconds)
        return whole(descriptor, seconds)

    monkeypatch.setattr(log_output, "_writable", writable)

    for _ in range(100):
        output.write(LINE)

    assert waits == []
    assert output._dropped == 101


def test_a_reader_that_comes_back_learns_how_many_lines_it_missed(way: Way, make: Make) -> None:
    """The first line after the gap says how large it was, and every line stands on its own."""
    output = make(way[1])
    whole = fill(output)
    output.write(LINE)
    before = read_all(way[0])

    output.write(b"back\n")

    lines = (before + read_all(way[0])).split(b"\n")
    assert lines[:whole] == [LINE[:-1]] * whole
    assert lines[-3:] == [b"2 lines were dropped", b"back", b""]
    assert len(lines) - whole in (3, 4)  # with what was written of the line that was cut off


def test_a_reader_that_is_gone_is_not_noticed(way: Way, make: Make) -> None:
    """Lines for nobody vanish, and nobody waits or fails."""
    output = make(way[1])
    os.close(way[0])

    for _ in range(1000):
        assert output.write(LINE) == len(LINE)

    assert output._dropped == 1000


def test_others_that_write_to_the_same_end_wait_as_before(way: Way, make: Make) -> None:
    """The mode of the descriptor, which other processes share, stays as it is."""
    make(way[1])

    assert os.get_blocking(way[1])


def test_two_who_write_to_one_file_do_not_write_over_each_other(tmp_path: Path, make: Make) -> None:
    """On a file no place of its own is kept: what another process writes through the same descriptor stays."""
    with (tmp_path / "log").open("wb", buffering=0) as file:
        output = make(file.fileno())
        for number in range(3):
            output.write(b"ours %d\n" % number)
            file.write(b"theirs %d\n" % number)

    assert (tmp_path / "log").read_text().split("\n") == [
        *("ours 0", "theirs 0", "ours 1", "theirs 1", "ours 2", "theirs 2", ""),
    ]


def test_a_descriptor_that_is_closed_takes_nothing(make: Make) -> None:
    """Where there is no standard error lines vanish."""
    read, write = os.pipe()
    os.close(read)
    os.close(write)

    assert make(write).write(LINE) == 1000


def test_what_is_printed_comes_as_whole_lines(way: Way, make: Make) -> None:
    """Parts of a line are held until it is whole; letters that cannot be encoded are escaped."""
    stream = LineStream(make(way[1]), way[1])

    print("one", "two", file=stream)
    print("half", end="", file=stream)
    assert read_all(way[0]) == b"one two\n"
    print(" \ud83d whole", file=stream)

    assert read_all(way[0]) == b"half \\ud83d whole\n"


def test_a_thread_that_is_caught_in_a_write_holds_up_no_other(way: Way, make: Make) -> None:
    """Where a write waits all the same, other threads drop their lines and go on."""
    output = make(way[1])
    caught, release = threading.Event(), threading.Event()

    def hang(data: memoryview) -> int:
        caught.set()
        release.wait(20)
        return len(data)

    output._send = hang
    thread = threading.Thread(target=output.write, args=(LINE,))
    thread.start()
    assert caught.wait(20)

    assert output.write(LINE) == 1000

    assert output._dropped == 1
    release.set()
    thread.join()
    wait_until(lambda: not thread.is_alive())
