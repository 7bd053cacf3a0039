"""Verdicts of `publisher doctor` on the work: due routes, leases, gates, channels, intents."""

from datetime import timedelta

import pytest

from publisher.doctor.checks import channels, intents
from publisher.doctor.verdict import Diagnosis, Verdict, ok
from publisher.domain.circuit import Gate
from publisher.streams.groups import Consumer, Group
from storage.counts.backlogs import Backlog
from tests.factories import INSTANT

PAUSED = Gate("email", paused_at=INSTANT, paused_by="ann", pause_reason="the mail server moves")
PARKED = Gate("email", parked_at=INSTANT, park_reason="Redis refused: OOM", probe_at=INSTANT)
OPEN = Gate("email", refused_batches=2)
MINUTE = timedelta(minutes=1)


def backlog(channel: str = "email", due: timedelta | None = None, orphaned: int = 0) -> Backlog:
    """A channel with open routes, the first of them due for so long, and so many leases over for an hour."""
    return Backlog(channel, due, orphaned, timedelta(hours=1) if orphaned else None)


def due(backlogs: list[Backlog], *gates: Gate, scan: int = 5, ttl: int = 30) -> Diagnosis:
    """What is said of these backlogs."""
    intervals = {"scan_interval": timedelta(seconds=scan), "lease_ttl": timedelta(seconds=ttl)}
    return channels.due(backlogs, {g.channel: g for g in gates}, {}, [], **intervals)


def group(**fields: object) -> Group:
    """A group that has read everything."""
    return Group("g", **fields)  # type: ignore[arg-type]


def consumer(pending: int, idle: float, name: str = "one") -> Consumer:
    """A consumer that holds so many entries and has been idle for so many seconds."""
    return Consumer(name, pending, timedelta(seconds=idle))


def test_with_nothing_due_nothing_waits() -> None:
    """Routes that are due later are no backlog."""
    assert due([]) == ok("nothing waits")
    assert due([backlog()]) == ok("nothing waits")


def test_routes_due_for_a_minute_are_a_warning() -> None:
    """Somebody should have published them: a scan comes every few seconds (R14)."""
    assert due([backlog(due=MINUTE)]) == ok("email: due for 1 min at most")
    said = due([backlog(due=MINUTE + timedelta(seconds=1)), backlog("push", due=MINUTE)])
    assert (said.verdict, said.finding) == (Verdict.WARNING, "email: due for 1 min 1 s and not published")
    assert "dramatiq publisher.actors" in said.remedy


def test_rare_scans_and_long_leases_may_take_longer() -> None:
    """Patience is three scans and a lease (R14a), where that is more than a minute."""
    assert due([backlog(due=timedelta(seconds=630))], scan=200, ttl=30).verdict is Verdict.OK
    assert due([backlog(due=timedelta(seconds=631))], scan=200, ttl=30).verdict is Verdict.WARNING


@pytest.mark.parametrize("gate", [PAUSED, PARKED])
def test_a_closed_channel_may_have_a_backlog(gate: Gate) -> None:
    """What is paused or parked waits on purpose; that it is closed is another check's warning."""
    late = [backlog(due=timedelta(days=1), orphaned=3)]

    assert due(late, gate).verdict is Verdict.OK
    assert channels.leases(late, {"email": gate}).verdict is Verdict.OK
    assert channels.closed({"email": gate}, {}, []).verdict is Verdict.WARNING


def test_a_channel_with_refused_batches_is_still_open() -> None:
    """A few refusals close nothing, and excuse nothing."""
    assert due([backlog(due=timedelta(days=1))], OPEN).verdict is Verdict.WARNING
    assert channels.closed({"email": OPEN}, {}, []) == ok("no channel is paused or parked, and there is no hold")


def test_leases_that_nobody_reclaims_are_a_warning() -> None:
    """An expired lease is free, and the next claim takes it: one that is long over was claimed by nobody (R5)."""
    said = channels.leases([backlog(orphaned=1200), backlog("push")], {})

    assert (said.verdict, said.finding) == (Verdict.WARNING, "email: 1,200 leases over for up to 1 h")
    assert channels.leases([backlog(due=MINUTE)], {}).verdict is Verdict.OK


def test_a_paused_channel_is_a_warning_with_who_why_and_the_way_back() -> None:
    """An operator sees whose pause it is, and the command that ends it."""
    said = channels.closed({"email": PAUSED}, {}, [])

    assert said.finding == "email is paused by ann: the mail server moves"
    assert said.remedy == "once the reason is gone: publisher channels resume email"


def test_a_parked_channel_is_a_warning_with_its_reason() -> None:
    """A stream that refuses everything has to be mended, no more."""
    said = channels.closed({"email": PARKED}, {}, [])

    assert said.finding == "email is parked: Redis refused: OOM"
    assert "probed by itself" in said.remedy


def test_a_channel_held_back_by_its_reader_is_told_to_have_it_read() -> None:
    """Nothing is wrong with the stream: what is behind is its reader (R13)."""
    gate = Gate("email", parked_at=INSTANT, park_reason="gateway is 100,000 commands behind", probe_at=INSTANT)

    said = channels.closed({"email": gate}, {}, [])

    assert "have the reader that is behind read on" in said.remedy


def test_open_routes_of_a_channel_that_is_not_installed_fail_the_check() -> None:
    """Nobody would ever publish them (R24): a release without that channel must not begin."""
    said = channels.served([backlog(), backlog("sms")], ["push", "email"])

    assert (said.verdict, said.finding) == (Verdict.FAILED, "open routes of channels that are not installed: sms")
    assert channels.served([backlog()], ["push", "email"]) == ok("every open route has its channel: email, push")


def test_a_group_that_is_not_there_yet_is_a_warning() -> None:
    """Intake makes it at its first start, from the stream's beginning: a first release may begin without."""
    said = intents.group("notification:intents", "notification-publisher", None)

    assert said.verdict is Verdict.WARNING
    assert said.finding == "notification:intents has no group notification-publisher"
    assert intents.pending(None, MINUTE).verdict is Verdict.OK


def test_a_group_that_keeps_up_is_well() -> None:
    """Entries of this minute are being read."""
    found = group(unread=12_000, oldest_unread=MINUTE, consumer_count=1)

    assert intents.group("s", "g", found) == ok("12,000 unread, consumers: 1")


@pytest.mark.parametrize(("is_bound", "unread"), [(False, "3"), (True, "at least 3")])
def test_entries_that_nobody_reads_are_a_warning(is_bound: bool, unread: str) -> None:
    """Intake is not running, or waits for PostgreSQL (R20); also where not all was counted."""
    found = group(unread=3, is_bound=is_bound, oldest_unread=MINUTE + timedelta(seconds=1))

    said = intents.group("s", "g", found)

    assert (said.verdict, said.finding) == (Verdict.WARNING, f"{unread} unread, the first sent 1 min 1 s ago")


def test_entries_of_a_dead_consumer_are_a_warning_that_names_it() -> None:
    """Nobody has taken over what a killed intake had read: none runs."""
    found = group(consumers=[consumer(0, 9999, "done"), consumer(7, 61, "dead"), consumer(2, 0.5, "alive")])

    said = intents.pending(found, timedelta(seconds=30))

    assert said.verdict is Verdict.WARNING
    assert said.finding == "7 held by consumers silent for 1 min 1 s or longer: dead"
    assert "publisher intake" in said.remedy


def test_a_consumer_that_is_silent_for_a_moment_is_not_dead() -> None:
    """Twice the time after which others take over must have passed."""
    found = group(pending=7, oldest_pending=MINUTE, consumers=[consumer(7, 60)])

    assert intents.pending(found, timedelta(seconds=30)) == ok("7 pending, none with a dead consumer")


def test_entries_that_a_living_consumer_never_acknowledges_are_a_warning() -> None:
    """It reads and cannot commit: PostgreSQL does not answer it (R20)."""
    found = group(pending=7, oldest_pending=timedelta(hours=2), consumers=[consumer(7, 0)])

    said = intents.pending(found, timedelta(seconds=30))

    assert (said.verdict, said.finding) == (Verdict.WARNING, "7 pending, the first sent 2 h ago")
