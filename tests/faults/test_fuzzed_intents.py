"""Entries that nobody should send: each is accepted or recorded with a reason, and disturbs nothing else (R19, R21)."""

import base64
import json
import logging
import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis
import structlog

from actors.context import Context
from publisher.bootstrap import compose_intake
from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_intent
from publisher.domain.notification import RouteStatus, delivery_id_of
from publisher.domain.planning import plan_routes
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.intake import consumer as intake
from publisher.process import logs
from publisher.streams.intents import IntentsGroup
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from tests.factories import CHANNELS, GROUP, INTENTS, intent_fields, raw
from tests.faults.composition import installed, seed_of
from tests.faults.fuzz_checks import check_entry, check_payload, check_rejection
from tests.faults.fuzz_draft import Pair
from tests.faults.fuzzed_entry import FuzzedEntry, fuzzed_entry
from tests.faults.invariants import STREAMS, Expected, leaks, violations
from tests.integration.rows import rows
from tests.integration.stream_entries import wait_until_read

SEED = 20_260_314
# What an entry that would have no field is sent with: Redis takes none.
NO_FIELDS = ((b"", b""),)
# With one attempt, what cannot be encoded is a dead letter at once.
ENVIRON = {"PUBLISHER_EMAIL_MAX_ATTEMPTS": "1", "PUBLISHER_PUSH_MAX_ATTEMPTS": "1", "PUBLISHER_SCAN_INTERVAL": "600"}


@pytest.fixture
def service(environ: dict[str, str]) -> Iterator[Context]:
    """The service in this process, where one failed attempt makes a dead letter."""
    with installed(environ, **ENVIRON) as context:
        yield context


@pytest.fixture
def own_logs() -> Iterator[None]:
    """Logs as in production; what that changes for the whole process is put back."""
    root, names = logging.getLogger(), logs._QUIET
    before = root.handlers[:], root.level, [logging.getLogger(name).level for name in names]
    logs.configure(format="json")
    # A logger that is kept would outlive this test.
    structlog.configure(cache_logger_on_first_use=False)
    yield
    structlog.reset_defaults()
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    for name, level in zip(names, before[2], strict=True):
        logging.getLogger(name).setLevel(level)


@contextmanager
def intake_running(service: Context, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Thread]:
    """The intake loop in a thread, until the end of the block."""
    monkeypatch.setattr(intake, "_BLOCK", timedelta(milliseconds=50))
    with open_redis(redis_url, timeout=timedelta(seconds=10), client_name="test") as client:
        group = IntentsGroup(StreamServers(client), INTENTS, GROUP, "hostile")
        loop = compose_intake(service, group, intake.IntakeOptions(INTENTS, 50, timedelta(hours=1)))
        thread = threading.Thread(target=loop.run, name="intake")
        thread.start()
        try:
            yield thread
        finally:
            service.stopping.set()
            thread.join()


def check_parser(seed: int, count: int) -> Counter[str]:
    """Parses so many entries, and counts what became of them. Fails with the first bad answers."""
    became: Counter[str] = Counter()
    bad: list[str] = []
    for number in range(count):
        entry = fuzzed_entry(seed, number)
        result, problems = check_entry(entry)
        became[result] += 1
        bad += [f"{'; '.join(problems)}\n    {entry}"] if problems else []
        assert len(bad) < 10, "\n".join(bad)
    assert not bad, "\n".join(bad)
    return became


class Crowd:
    """FuzzedEntry entries with a valid neighbour after every third, as they were sent, and what must become of them."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._routes: dict[str, set[str]] = {}
        self.malformed: dict[str, FuzzedEntry] = {}
        self.accepted: list[FuzzedEntry] = []

    def send(self, seed: int, count: int) -> None:
        """Puts so many hostile entries onto the intents stream."""
        for number in range(count):
            self._send(fuzzed_entry(seed, number))
            if number % 3 == 0:
                self.send_neighbour(number)

    def send_neighbour(self, number: int) -> None:
        """A valid intent with two routes, both to be published."""
        fields = raw(intent_fields(idempotency_key=f"neighbour {number}"))
        self._add(fields)
        self._expect(fields, {"published"})

    def _send(self, entry: FuzzedEntry) -> None:
        entry_id = self._add(entry.fields)
        if isinstance(parse_intent(entry.fields, CHANNELS), Rejection):
            self.malformed[entry_id] = entry
        else:
            self.accepted.append(entry)
            self._expect(entry.fields, {"published", "dead_letter"})

    def _add(self, fields: Sequence[Pair]) -> str:
        # An entry has one field at least; one that lost all of them has an empty one.
        entry_id: bytes = self._client.execute_command(
            "XADD", INTENTS, "*", *(part for pair in fields or NO_FIELDS for part in pair)
        )
        return entry_id.decode()

    def _expect(self, fields: Sequence[Pair], ends: set[str]) -> None:
        parsed = parse_intent(fields, CHANNELS)
        assert isinstance(parsed, Intent)
        for planned in plan_routes(parsed, CHANNELS):
            delivery_id = delivery_id_of(parsed.notification_id, planned.route_id)
            self._routes[delivery_id] = {"skipped"} if planned.status is RouteStatus.SKIPPED else ends

    @property
    def expected(self) -> Expected:
        """What must be seen in the end."""
        return Expected(self._routes, self.malformed)

    def told(self, log: str) -> list[str]:
        """Words in the log that must not be there: secrets of all, and every value of the malformed."""
        secrets = [word for entry in self.accepted for word in entry.secrets]
        return leaks(log, [*secrets, *(w for e in self.malformed.values() for w in (*e.values, *e.secrets))])


def check_whole_path(crowd: Crowd, service: Context, environ: Mapping[str, str], client: redis.Redis) -> list[str]:
    """Publishes what was accepted, and compares all that stands anywhere with what was sent. Returns what is wrong."""
    for channel in CHANNELS:
        while service.publisher.publish_due(channel).more:
            pass
    wrong = violations(environ["DATABASE_URL"], client, crowd.expected)
    for channel, stream in STREAMS.items():
        for _, fields in client.xrange(stream):
            wrong += check_payload(fields[b"payload_json"].decode(), channel)
    for row in rows(service.database, "SELECT * FROM malformed_intents"):
        reason = Rejection(RejectionCode(row["failure_code"]), row["failure_message"])
        entry = crowd.malformed[row["stream_entry_id"]]
        problems = check_rejection(reason, entry.values)
        if restored(row["raw_fields"]) != Counter(entry.fields or NO_FIELDS):
            problems.append(f"its fields were kept as {str(row['raw_fields'])[:500]}")
        wrong += [f"{problem}: {entry}" for problem in problems]
    return wrong


def restored(raw_fields: Mapping[str, Any]) -> Counter[Pair]:
    """The names and values that raw_fields tell of (see MalformedIntent)."""

    def data(value: str | Mapping[str, str]) -> bytes:
        return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])

    return Counter(
        (base64.b64decode(name[7:]) if name.startswith("base64:") else name.encode(), data(value))
        for name, values in raw_fields.items()
        for value in (values if isinstance(values, list) else [values])
    )


def report(became: Mapping[str, int]) -> str:
    """A table of what became of the entries."""
    return "".join(f"{count:8} {what}\n" for what, count in sorted(became.items()))


def test_the_parser_withstands_hostile_entries(request: pytest.FixtureRequest) -> None:
    """Whatever stands on the stream is an intent or malformed, soon, with a short reason that holds no value (R19)."""
    became = check_parser(seed_of(request.config, SEED), 3_000)

    of_events = {"event_conflict", "unknown_delivery"}
    elsewhere = {"channel_failed", "idempotency_conflict", "poison", "storage_refused"} | of_events
    assert set(became) == {"intent", *RejectionCode} - elsewhere


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_parser_withstands_hostile_entries_for_long(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same over a hundred thousand entries, others each time (R19)."""
    with capsys.disabled():
        seed = seed_of(request.config, random.SystemRandom().randrange(2**32))
        sys.stdout.write(report(check_parser(seed, 100_000)))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("count", "seed"),
    [(1_000, SEED), pytest.param(3_000, random.SystemRandom().randrange(2**32), marks=pytest.mark.long)],
    ids=["short", "long"],
)
def test_hostile_entries_disturb_no_neighbour(
    count: int,
    seed: int,
    service: Context,
    environ: dict[str, str],
    redis_client: redis.Redis,
    own_logs: None,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Among hostile entries every valid intent is published once; each hostile one is accepted or recorded whole and
    with a reason; intake lives on; no log holds an address or a value of theirs (R19, R21, R26)."""
    crowd = Crowd(redis_client)
    with intake_running(service, environ["REDIS_URL"], monkeypatch) as thread:
        crowd.send(seed_of(request.config, seed), count)
        wait_until_read(redis_client)
        crowd.send_neighbour(count)
        wait_until_read(redis_client)
        wrong = check_whole_path(crowd, service, environ, redis_client)
        assert thread.is_alive()

    log = capfd.readouterr().err
    assert wrong == []
    assert crowd.told(log) == []
    assert {json.loads(line)["event"] for line in log.splitlines()} >= {"malformed intent", "route published"}


# What once got past the rules: kept for ever.
@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"channels_json": ["canary"]}, "canary"),
        ({"channels_json": ["x\u2028y"]}, "\u2028"),
        ({f"{'y' * 193} canary@example.com": "x"}, "canary"),
    ],
    ids=["a channel's name", "a line separator", "a long name, cut within an address"],
)
def test_a_reason_tells_nothing_of_what_was_written(fields: dict[str, Any], value: str) -> None:
    """A reason holds no value, and no part of an address that logs would not mask (R19, R26)."""
    parsed = parse_intent(raw(intent_fields(**fields)), CHANNELS)

    assert isinstance(parsed, Rejection)
    assert check_rejection(parsed, [value]) == []
