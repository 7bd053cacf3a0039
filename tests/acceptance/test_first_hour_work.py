"""The first hour with work to do: an intent on its way, one that is wrong, an address that is none, a pause."""

import json
import sys

import pytest

from tests.acceptance.first_hour import FirstHour
from tests.acceptance.outside import Outside
from tests.factories import intent_fields
from tests.guide_blocks import GUIDES
from tests.processes import Processes
from tests.unit.guides.test_examples import blocks
from tests.waiting import wait_until

# Puts the quotation marks right, as a person would.
EDITOR = """
import sys
from pathlib import Path
path = Path(sys.argv[1])
path.write_text(path.read_text().replace("{'turn': 19}", '{\\\\"turn\\\\": 19}'))
"""

# A story is many commands, each a process of its own.
pytestmark = pytest.mark.timeout(600)


def test_an_intent_is_sent_and_followed(hour: FirstHour, processes: Processes, outside: Outside) -> None:
    """The example of the guide on producers, word for word: it is sent, published, traced and explained."""
    example = blocks("sh", (GUIDES / "producers.md").read_text())[-1]
    (hour.folder / "example.sh").write_text(example)
    for name in ("worker", "intake"):
        processes.start(name)

    hour.types("sh example.sh", says="turn-18", screen="intents-send")
    outside.wait_for_routes(published=1, skipped=1)

    [sent] = outside.rows("SELECT notification_id::text AS id FROM notifications")
    hour.types("publisher trace turn-18", says=sent["id"])
    hour.types(f"publisher explain {sent['id']}", says="published", screen="explain-published")
    hour.types("publisher status", screen="status-at-work")
    hour.types("publisher routes list", screen="routes-list")


def test_a_malformed_intent_is_found_and_sent_again(hour: FirstHour, processes: Processes, outside: Outside) -> None:
    """It is listed with its reason, shown whole, and accepted once it was edited."""
    processes.start("intake")
    outside.send(intent_fields(idempotency_key="turn-19", payload_json="{'turn': 19}"))
    wait_until(lambda: outside.rows("SELECT 1 FROM malformed_intents"))

    hour.types("publisher malformed list", says="invalid_json")
    hour.types("publisher malformed show 1", says="turn-19")
    (hour.folder / "edit").write_text(f"#!{sys.executable}\n{EDITOR}")
    (hour.folder / "edit").chmod(0o755)
    hour.environ["EDITOR"] = str(hour.folder / "edit")
    hour.types("publisher malformed resubmit 1 --yes", says="resubmitted as", screen="malformed-resubmit")


def test_an_address_that_is_none_becomes_a_dead_letter(
    hour: FirstHour, processes: Processes, environ: dict[str, str], outside: Outside
) -> None:
    """The dead letter says why, and `explain` says what helps: not a requeue."""
    for name in ("worker", "intake"):
        processes.start(name, PUBLISHER_EMAIL_MAX_ATTEMPTS="1")
    intent = {
        "notification_type": "game.turn.ready",
        "producer": "game-service",
        "audience_kind": "user",
        "recipients": [{"user_id": "7", "email": "ann.example.com"}],
        "channels": ["email"],
        "idempotency_key": "turn-20",
        "occurred_at_ms": 1773480413589,
        "payload": {"turn": 20},
    }
    (hour.folder / "intents.jsonl").write_text(json.dumps(intent))

    hour.types("publisher intents send intents.jsonl", screen="intents-send-bad-address")
    outside.wait_for_routes(dead_letter=1)

    [dead] = outside.rows("SELECT notification_id::text AS id FROM dead_letters")
    hour.types("publisher dead-letters list", says="payload_encoding_failed")
    hour.types(f"publisher explain {dead['id']}", says="payload_encoding_failed", screen="explain-dead-letter")
    hour.types("publisher status", screen="status-with-dead-letter")


def test_a_channel_is_paused_and_resumed(hour: FirstHour) -> None:
    """`pause` and `resume` say what they did, and `list` shows it."""
    hour.types(
        "publisher channels pause push --reason 'gateway moves' --by ann --yes", says="push", screen="channels-pause"
    )
    hour.types("publisher channels list", says="gateway moves", screen="channels-list-paused")
    hour.types("publisher status", says="paused", screen="status-paused")
    hour.types("publisher channels resume push --by ann --yes", says="push", screen="channels-resume")
    hour.types("publisher actions list", says="pause", screen="actions-list")
