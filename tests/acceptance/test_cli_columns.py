"""Every screen at 60, 80 and 200 columns: what a pipe gets whole is whole on a terminal, and nothing is left out."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis

from publisher.domain.door_token import Sends, token_hash
from publisher.domain.loss import LossCause
from publisher.process.heartbeat import Heartbeat
from storage.accepting.losses import record_loss
from storage.actions import begin_action
from storage.database import Database
from storage.mail.suppressions import add_suppression
from storage.tokens import add_token
from tests import factories
from tests.acceptance.command_tree import LONG_RUNNING, has_json, leaves
from tests.acceptance.final_routes import BURY
from tests.acceptance.forked_commands import Forks
from tests.acceptance.malformed_intents import record_intent
from tests.acceptance.outside import Outside, users
from tests.integration.answered_routes import answer, mail, published_routes
from tests.integration.mail_rows import held_mail
from tests.integration.process.test_heartbeats import WORKER
from tests.processes import ROOT

KEY = "a-key-of-a-producer"
NOTIFICATION = factories.intent(idempotency_key=KEY).notification_id
ARGUMENTS = {"notification_id": NOTIFICATION, "id": KEY, "id_": "1", "action_id": "1", "template": "demo.report.weekly"}
# They change something, or read a file: what they print is a line.
CHANGING = re.compile(
    r".*\b(migrate|requeue|republish|resubmit|send|replay|acknowledge|pause|resume|limit|add|remove|revoke|run|scan|bounces"
    r"|event|settle)"
)
SCREENS = sorted(name for name in {*leaves()} - LONG_RUNNING if has_json(name) and not CHANGING.match(name))

HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e"
REASON = "the mail server moves to another rack, as the calendar of maintenance says; see there for the hours"
COLOUR = re.compile(r"\x1b\[[\d;]*m")
RULE = re.compile(r"[─│├└]+")
# What differs from one second to the next. Of doctor, which sees more of that, ids and names of checks are compared.
AGE = re.compile(r"-?\d[\d.,]*\s?(?:d|h|min|m|ms|s)\b(?:\s\d+\s?(?:h|min|m|s)\b)?")
NAMES = re.compile(r"\d{10,}-\d+|[a-z]+-[a-z-]+")
INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def records(database: Database, outside: Outside, redis_url: str) -> Iterator[None]:
    """Everything that a screen shows: long ids, long reasons, wide letters, large numbers and hostile names."""
    long_id = "user-" + "x" * 90
    people = [*users(1), {"user_id": "日本語ユーザー-♞" * 3, "email": "a@example.com"}]
    factories.accepted(database, [{"idempotency_key": "gone", "recipients_json": users(2)}])
    outside.rows(BURY)
    recipients = [*people, {"user_id": long_id, "email": "b@example.com"}]
    factories.accepted(database, [{"idempotency_key": KEY, "recipients_json": recipients}])
    outside.rows("UPDATE routes SET next_attempt_at = '2026-03-14Z' WHERE status = 'pending'")
    outside.rows(
        "UPDATE routes SET status = 'failed', attempt_count = 1, last_failure_classification = 'stream_refused',"
        " last_failure_message = %s, last_failure_at = '2026-03-14Z' WHERE status = 'pending' AND channel = 'email'",
        REASON,
    )
    outside.rows(
        "INSERT INTO route_failures (route_key, attempt_number, classification, message, failed_at)"
        " SELECT id, 1, 'stream_refused', %s, '2026-03-14Z' FROM routes WHERE status = 'failed'",
        REASON,
    )
    outside.rows(
        "INSERT INTO channel_gates (channel, paused_at, paused_by, pause_reason)"
        " VALUES ('push', '2026-03-14Z', %s, %s)",
        f"ann{HOSTILE}",
        REASON,
    )
    record_intent(database, entry_id="1773480413589-17", producer=f"game{HOSTILE}")
    record_loss(database, factories.INTENTS, LossCause.TRIMMED, "1773480413589-0", "1773480499999-17", 1_234_567)
    add_suppression(database, f"{'ann' * 20}@example.com", REASON, f"ann{HOSTILE}", None)
    answered = published_routes(database, 1)[0]
    answer(database, answered, "bounced", ago=timedelta(days=9), fault="recipient", diagnostic=f"{REASON}{HOSTILE}")
    mail(database, answered, "waiting", tries=3, unsure=1)
    published_routes(database, 1, ago=timedelta(days=8))
    held_mail(database, "held@example.com")
    add_token(database, f"game{HOSTILE}", REASON, [*Sends], token_hash("any"), f"ann{HOSTILE}")
    begin_action(database, "requeue-dead-letters", f"ann{HOSTILE}", {"channel": "email", "reason": REASON}, 1_234_567)
    # It signs until the test ends: a worker that falls silent between two screens would change the words of status.
    with redis.Redis.from_url(redis_url) as client:
        heartbeat = Heartbeat(client, "worker", timedelta(seconds=1))
        heartbeat.process = WORKER
        heartbeat.start()
        yield
        heartbeat.stop()


def command_line(name: str) -> list[str]:
    """The command with the ids that it needs."""
    return [*name.split(), *(ARGUMENTS[required] for required in leaves()[name])]


def words(name: str, shown: str) -> set[str]:
    """The words of this command's screen, without rules and what differs from one second to the next."""
    found = {*RULE.sub(" ", AGE.sub(" ", shown)).split()}
    return {word for word in found if name != "doctor" or NAMES.fullmatch(word)}


LONG = pytest.mark.long


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("columns", [pytest.param("60", marks=LONG), "80", pytest.param("200", marks=LONG)])
def test_a_screen_has_every_word_that_a_pipe_gets(environ: dict[str, str], forks: Forks, columns: str) -> None:
    """Names of columns, numbers, ids, instants and reasons: each whole, in every command, at any width."""
    # The long form tries each of them, in the other widths.
    screens = SCREENS[::2] if columns == "80" else SCREENS
    lines = [command_line(name) for name in screens]
    environ |= {"TERM": "xterm", "PUBLISHER_MAIL_TEMPLATES": str(ROOT / "publisher" / "local" / "templates")}
    piped = forks.run_many(lines, environ)

    for name, pipe, screen in zip(screens, piped, forks.run_many(lines, environ, columns), strict=True):
        where = name, columns
        assert pipe.code == screen.code, (where, pipe.stderr, screen.stderr)
        whole, seen = pipe.stdout.decode(), COLOUR.sub("", screen.stdout.decode()).replace("\r\n", "\n")
        missing = words(name, whole) - words(name, seen)
        assert not missing, (where, missing, seen)
        assert {*INSTANT.findall(whole)} <= {*INSTANT.findall(seen)}, (where, seen)
        assert "…" not in seen or "…" in whole, (where, seen)
        # Colours alone reach a terminal, whatever strangers wrote.
        assert all(letter.isprintable() or letter == "\n" for letter in seen), (where, seen)


def test_tables_are_among_the_screens() -> None:
    """The commands are found by what they are, and those with tables are found."""
    assert {
        *("status", "routes list", "routes show", "dead-letters list", "malformed list", "channels list"),
        *("actions list", "intents losses list", "explain", "trace", "doctor", "guide"),
    } <= {*SCREENS}


@pytest.mark.usefixtures("records")
def test_through_a_pipe_a_record_is_a_line(environ: dict[str, str], forks: Forks) -> None:
    """`grep` finds all of it; COLUMNS sets a width where one is wanted."""
    [piped] = forks.run_many([["channels", "list"]], environ)
    [narrow] = forks.run_many([["channels", "list"]], environ | {"COLUMNS": "60"})

    [push] = [line for line in piped.stdout.decode().splitlines() if line.startswith("push") and REASON in line]
    assert "gateway:client_events" in push
    assert max(map(len, narrow.stdout.decode().splitlines())) <= 60
