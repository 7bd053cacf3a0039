"""How `status --watch` shows a snapshot: as text at 80 columns, without colour."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.cli.views.snapshot import render
from publisher.domain.circuit import Gate
from publisher.domain.errors import DatabaseUnavailable, RedisRefused, RedisUnavailable
from publisher.domain.rate_limit import RateLimit
from publisher.operations.channels.limits import ChannelLimit, LimitOrigin
from publisher.operations.channels.readers import CommandReaders
from publisher.operations.snapshot.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.operations.snapshot.wording import roles
from publisher.streams.groups import Consumer, Group, StreamGroups
from publisher.streams.heartbeats import Process, ProcessSeen
from storage.counts.counts import OpenRoutes
from storage.counts.rates import Happened
from storage.outcomes.failures import FailureRecord
from tests.factories import INSTANT

SECOND = timedelta(seconds=1)


def seen(role: str, pid: int = 17, silent: timedelta = SECOND, host: str = "web-1") -> ProcessSeen:
    process = Process(f"{role}{pid}", role, host, pid, INSTANT - timedelta(hours=2), "0.1.0")
    return ProcessSeen(process, INSTANT - silent, silent)


def failure(**fields: object) -> FailureRecord:
    whole = FailureRecord(
        id=1,
        notification_id="b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11",
        route_id="email:user:7",
        channel="email",
        attempt_number=3,
        classification="mail_stream_publish_failed",
        message="Redis refused: OOM",
        failed_at=INSTANT - 4 * SECOND,
    )
    return replace(whole, **fields)  # type: ignore[arg-type]


STORE = StoreSnapshot(
    at=INSTANT,
    channels=["email", "push"],
    window=2 * SECOND,
    happened={"email": Happened(published=2468, retried=1, dead_lettered=0)},
    open_routes={
        "push": OpenRoutes(pending=9000, failed=12, due=8012, oldest_due=timedelta(seconds=723), in_flight=500)
    },
    gates={"push": Gate("push", INSTANT - timedelta(minutes=12), "ann", "gateway moves")},
    audits={},
    failures=[failure(id=2), failure(failed_at=INSTANT - 64 * SECOND)],
)
STREAMS = StreamsSnapshot(
    Group("g", 3, pending=12, consumer_count=2), [seen("clock"), seen("intake"), seen("worker", 18), seen("worker", 19)]
)


def text(store: object = STORE, streams: object = STREAMS, *, width: int = 80) -> str:
    """The snapshot as it is printed, without the spaces at the ends of lines."""
    snapshot = Snapshot(INSTANT, store, streams, ["email", "push"], timedelta(0))  # type: ignore[arg-type]
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    console.print(render(snapshot, 2 * SECOND, width), crop=False)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_a_snapshot_says_everything_at_80_columns_without_colour() -> None:
    """Rates, what is due and how old, what is closed and why, intents, processes and failures, each in its place."""
    assert text() == (
        """\
notification-publisher  2026-03-14 09:26:53.589Z  every 2 s, Ctrl-C ends it
8,012 due on push: paused by ann 12m ago, until it is resumed: gateway moves →
  publisher channels resume push

channel  state   published/s  retried/s  dead/s    due  oldest  in flight
─────────────────────────────────────────────────────────────────────────
email    open          1,234        0.5       0      0       –          0
push     paused            0          0       0  8,012  12m 3s        500

intents    3 waiting, 12 being accepted, 2 consumers
processes  2 workers, 1 clock, 1 intake
  clock   web-1 pid 17, version 0.1.0, up 2h, seen 1s ago
  intake  web-1 pid 17, version 0.1.0, up 2h, seen 1s ago
  worker  web-1 pid 18, version 0.1.0, up 2h, seen 1s ago
  worker  web-1 pid 19, version 0.1.0, up 2h, seen 1s ago

the newest 2 failed attempts, equal ones together
    2 ×  email: mail_stream_publish_failed: Redis refused: OOM
         4s ago, the first 1m 4s ago, such as
         b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:7"""
    )


def test_large_figures_fit_into_80_columns() -> None:
    """With millions due on a channel of a long name no line is wider than the terminal, and no figure is cut."""
    name = "a-channel-of-a-long-name"
    store = replace(
        STORE,
        channels=[name],
        happened={name: Happened(published=199_998, retried=199_998, dead_lettered=199_998)},
        open_routes={name: OpenRoutes(9_999_999, 0, 9_999_999, timedelta(days=29, hours=23), 99_999)},
        gates={},
        audits={},
    )

    shown = text(store)

    assert max(map(len, shown.splitlines())) <= 80
    table = dict(line.split(maxsplit=1) for line in shown.splitlines()[4:11])
    assert table == {
        "channel": name,
        "state": "open",
        **dict.fromkeys(("published/s", "retried/s", "dead/s"), "99,999"),
        "due": "10.0M",
        "oldest": "29d 23h",
    }


def test_a_snapshot_without_postgresql_says_so_and_shows_the_rest() -> None:
    """While PostgreSQL is away its error stands in its place; what Redis knows is shown."""
    shown = text(DatabaseUnavailable("PostgreSQL is not available: connection refused"))

    assert "PostgreSQL is not available: connection refused" in shown
    assert "2 workers, 1 clock, 1 intake" in shown
    assert "published/s" not in shown


def test_a_snapshot_without_redis_says_so_and_shows_the_rest() -> None:
    """While Redis is away its error stands in its place; what PostgreSQL knows is shown."""
    shown = text(streams=RedisUnavailable("Redis is not available: timeout"))

    assert "Redis is not available: timeout" in shown
    assert "published/s" in shown
    assert "mail_stream_publish_failed" in shown
    assert "processes" not in shown


def test_at_60_columns_nothing_is_lost() -> None:
    """The table is turned on its side, and every line is broken between words alone."""
    shown = text(width=60)

    assert max(map(len, shown.splitlines())) <= 60
    assert "…" not in shown
    for whole in ("2026-03-14 09:26:53.589Z", "publisher channels resume push", "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11"):
        assert whole in shown
    assert (
        """
channel      email  push
state        open   paused
published/s  1,234  0
retried/s    0.5    0
dead/s       0      0
due          0      8,012
oldest       –      12m 3s
in flight    0      500
"""
        in shown
    )


def test_without_a_terminal_each_line_is_whole() -> None:
    """`grep` finds the reason beside the number."""
    lines = text(width=1_000_000).splitlines()

    assert lines[1] == (
        "8,012 due on push: paused by ann 12m ago, until it is resumed: gateway moves → publisher channels resume push"
    )
    assert lines[-1].endswith("such as b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:7")


def test_what_anybody_wrote_reaches_no_terminal() -> None:
    """A message, a host or an address with line breaks and escapes moves no cursor, and a long one is shortened."""
    hostile = "\x1b[2J\r\nsecond [red]line[/red]\u202e" + "x" * 3000
    store = replace(STORE, failures=[failure(message=hostile, route_id=f"email:address:{hostile}")])

    shown = text(store, replace(STREAMS, processes=[seen("worker", host=hostile)]))

    assert not set("\x1b\r\u202e") & set(shown)
    assert "[red]" in shown
    assert "such as b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11\n" in f"{shown}\n"


def test_other_groups_of_failures_are_a_number() -> None:
    """The first few groups are shown; a screen is not for all."""
    store = replace(STORE, failures=[failure(id=n, message=f"reason {n}") for n in range(9)])

    assert text(store).splitlines()[-1] == "  and 5 other failures"


def test_a_count_that_was_given_up_is_a_bound() -> None:
    """Where Redis cannot tell how many intents wait, and too many to count do, that is said."""
    shown = text(streams=replace(STREAMS, intents=Group("g", 10_000, is_bound=True, consumer_count=1)))

    assert "intents    at least 10,000 waiting, 0 being accepted, 1 consumer\n" in shown


def test_who_reads_is_a_line_for_each_group() -> None:
    """What is unread and pending, for how long, and when a consumer last asked; names are strangers' text (R27)."""
    mail = Group(
        *("mail\x1b[2J-service" + "x" * 50, 4_012, False, 12, 200 * SECOND, 12 * SECOND, 2),
        consumers=[Consumer("a", 12, 2 * SECOND), Consumer("b", 0, SECOND)],
    )
    idle = Group("audit", 10_000, True, 3, 900 * SECOND, 800 * SECOND, 1, [Consumer("c", 3, 700 * SECOND)])
    readers = {
        "email": CommandReaders(EMAIL, StreamGroups(4_012, SECOND, [mail, idle])),
        "push": CommandReaders(PUSH, StreamGroups()),
        "sms": CommandReaders(replace(PUSH, name="sms", stream="s\n"), RedisRefused("Redis refused: WRONGTYPE")),
    }

    shown = text(streams=replace(STREAMS, readers=readers))

    assert (
        """
readers    email: mail?[2J-servicexxxxxxxxxxxxxxxxxxxxxxx…: 4,012 unread for 3m
           20s, 12 pending for 12s, 2 consumers, last read 1s ago
           email: audit: ≥ 10,000 unread for 15m, 3 pending for 13m 20s, 1
           consumer (1 gone), last read 11m 40s ago
           push: no group reads gateway:client_events
           sms: who reads s could not be read: Redis refused: WRONGTYPE
processes"""
        in shown
    )
    said = " ".join(shown.split())
    assert "at least 10,000 commands unread on email, the oldest for 15m: group audit reads nothing" in said
    assert "3 commands held on email by consumers silent for 11m 40s: c" in said


def test_a_silent_process_stands_first_and_is_not_counted() -> None:
    """One that was killed, or cannot reach Redis, is named before those that are well."""
    processes = [seen("worker", n) for n in range(20)] + [seen("worker", 99, timedelta(minutes=12))]

    lines = text(streams=replace(STREAMS, processes=processes)).splitlines()

    at = lines.index("processes  20 workers, no clock, no intake")
    assert lines[at + 1 : at + 3] == [
        "  worker  web-1 pid 99, version 0.1.0, silent for 12m: killed, or cut off from",
        "          Redis",
    ]
    assert lines[at + 8] == "  and 15 more"


@pytest.mark.parametrize(
    ("processes", "said"),
    [
        ([], "no worker, no clock, no intake"),
        ([seen("worker"), seen("worker", 18)], "2 workers, no clock, no intake"),
        ([seen("intake"), seen("clock"), seen("worker")], "1 worker, 1 clock, 1 intake"),
        ([seen("clock", silent=timedelta(minutes=1))], "no worker, no clock, no intake"),
        ([seen("gateway")], "no worker, no clock, no intake, 1 gateway"),
    ],
)
def test_the_processes_that_ought_to_be_there_are_missed(processes: list[ProcessSeen], said: str) -> None:
    """A role of which no process lives is named all the same."""
    assert roles(processes) == said


def test_an_empty_system_makes_a_snapshot() -> None:
    """With no channel, process or failure there is little to say, and no error."""
    empty = StoreSnapshot(INSTANT, window=SECOND)

    assert "no worker, no clock, no intake" in text(empty, StreamsSnapshot())


def test_a_rate_limit_stands_below_its_channel() -> None:
    """With how much of it is used and who set it, on a line of its own; without limits there is none (R30)."""
    limits = {
        "email": ChannelLimit("email", RateLimit(14.0, 28), LimitOrigin.OPERATOR, "ann", INSTANT, 13.0),
        "push": ChannelLimit("push", None, LimitOrigin.OPERATOR, "bob", INSTANT, 3.0),
    }

    lines = text(replace(STORE, limits=limits)).splitlines()

    at = lines.index("limits     email 14/s burst 28, 93% used, set by ann")
    assert lines[at + 1] == "           push none, set by bob"
    assert "limits" not in text()
