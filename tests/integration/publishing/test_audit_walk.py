"""How an audit walks: page by page, ended by a lost lease or a stop, one process at a time (R12a, R15, R17)."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis

from actors.context import Context
from actors.maintenance import audit_published
from publisher.publishing import loss_audit
from storage import audits
from storage.database import Database
from tests.integration.publishing.test_audit import pending, publish
from tests.integration.publishing.test_audit_reach import published
from tests.integration.rows import execute, rows

Install = Callable[..., Context]


def test_a_walk_that_lost_its_lease_ends(
    install: Install, database: Database, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An auditor that was paused for longer than its lease leaves the rest to the one that took over (R15)."""
    monkeypatch.setattr(loss_audit, "_PAGE", 1)
    monkeypatch.setattr(loss_audit, "_RENEWED_AFTER", 0)
    context = install()
    ids = publish(context, database, 3)
    redis_client.flushdb()
    look = context.streams.witnesses

    def then_taken_over(asked: Any) -> list[str | None]:
        execute(database, "UPDATE stream_audits SET auditor = 'someone else'")
        return look(asked)

    monkeypatch.setattr(context.streams, "witnesses", then_taken_over)
    audit_published("email")

    assert pending(database) == ids[:1]
    assert rows(database, "SELECT auditor, covered_to FROM stream_audits") == [
        {"auditor": "someone else", "covered_to": None}
    ]


def test_an_audit_is_leased_like_a_route(install: Install, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a worker that dies amid an audit another takes over as soon as it takes over its routes (R12a, R15)."""
    context = install(PUBLISHER_ROUTE_LEASE_TTL="4")
    publish(context, database, 1)
    left = "SELECT auditor_until - now() BETWEEN '1 second' AND '4 seconds' AS is_short FROM stream_audits"
    seen: list[Any] = []
    look = context.streams.witnesses

    def amid(asked: Any) -> list[str | None]:
        seen.extend(rows(database, left))
        return look(asked)

    monkeypatch.setattr(context.streams, "witnesses", amid)
    audit_published("email")

    assert seen == [{"is_short": True}]


def test_a_process_that_stops_ends_its_walk(context: Context, database: Database, redis_client: redis.Redis) -> None:
    """On SIGTERM an audit ends within a page, and counts for nothing (R17)."""
    publish(context, database, 3)
    redis_client.flushdb()
    context.stopping.set()

    assert context.loss_audit.run("email") == 0

    assert published(database) == 3
    assert rows(database, "SELECT auditor, covered_to FROM stream_audits") == [{"auditor": None, "covered_to": None}]


def test_two_processes_share_the_audits(install: Install, database: Database, redis_client: redis.Redis) -> None:
    """Two processes that audit at one moment walk once: each loss is counted once (R15)."""
    one, two = install(), install()
    publish(one, database, 20)
    redis_client.flushdb()
    together, found = threading.Barrier(2), []

    def audit(context: Context) -> None:
        together.wait()
        found.append(context.loss_audit.run("email"))

    threads = [threading.Thread(target=audit, args=(context,)) for context in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(found) == 20


def test_a_walk_shows_its_progress_page_by_page(
    context: Context, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog sees an audit get on with each page, however many there are."""
    monkeypatch.setattr(loss_audit, "_PAGE", 1)
    publish(context, database, 5)
    beats: list[str] = []
    page = audits.published_after

    def paged(*arguments: Any, **options: Any) -> Any:
        beats.append("page")
        return page(*arguments, **options)

    monkeypatch.setattr(audits, "published_after", paged)
    monkeypatch.setattr(context.loss_audit, "_beat", lambda: beats.append("beat"))
    context.loss_audit.run("email")

    assert [beats.count("page"), beats.count("beat") >= 12] == [6, True]


def test_no_audit_window_no_audit(install: Install, database: Database, redis_client: redis.Redis) -> None:
    """PUBLISHER_AUDIT_WINDOW=0 turns audits off: nothing is looked at, by message neither."""
    context = install(PUBLISHER_AUDIT_WINDOW="0")
    publish(context, database, 1)
    redis_client.flushdb()

    audit_published("email")

    assert context.loss_audit.is_off
    assert published(database) == 1
    assert timedelta(0) == loss_audit.audit_interval(timedelta(0))
