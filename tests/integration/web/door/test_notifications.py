"""What became of a notification, over HTTP: to its own producer, as `publisher trace --json` shows it."""

import json
import re

from starlette.testclient import TestClient

from storage.database import Database
from tests.integration.rows import execute, rows
from tests.integration.web.door.conftest import Token
from tests.integration.web.door.test_intents import written
from tests.processes import run_command


def test_it_is_what_trace_shows(door: TestClient, environ: dict[str, str]) -> None:
    """Field by field, with the producer's cancellation and its answer."""
    door.post("/v1/intents", json={"cancels": "turn-17"})
    id_ = door.post("/v1/intents", json=written()).json()["notification_id"]

    shown = door.get(f"/v1/notifications/{id_}")

    traced = run_command("publisher", "trace", id_, "--json", environ=environ).stdout.splitlines()
    notification, cancellation = (json.loads(line) for line in traced)
    del cancellation["kind"]
    over_http = shown.json()
    for route in [*over_http["routes"], *notification["routes"]]:
        del route["read_at"], route["why"]  # it says how long ago
    assert (shown.status_code, over_http) == (200, notification | {"cancellation": cancellation})
    assert "ann@example.com" not in shown.text
    assert len(door.get(f"/v1/notifications/{id_.upper()}?limit=1").json()["routes"]) == 1


def test_trace_says_that_it_came_over_http(database: Database, door: TestClient, environ: dict[str, str]) -> None:
    """By its key, and by the id that stands where another has the entry of the stream: both lead to it."""
    for body in ({"cancels": "turn-17"}, written()):
        door.post("/v1/intents", json=body)
    [origin] = rows(database, "SELECT intent_entry_id AS id FROM notifications")

    for id_ in ("turn-17", origin["id"]):
        shown = run_command("publisher", "trace", id_, environ=environ).stdout
        assert shown.startswith(f"from HTTP request {origin['id']}  game-service, key turn-17\n"), shown
        assert re.search(
            r"its producer asked to cancel it [^,]+, HTTP request door:1/\d+-\d+: cancelled 2 routes", shown
        )


def test_it_is_shown_to_its_own_producer_alone(database: Database, door: TestClient, token: Token) -> None:
    """Whoever has another token learns not even that it exists; so it is with one that was pruned."""
    id_ = door.post("/v1/intents", json=written()).json()["notification_id"]
    other = {"authorization": f"Bearer {token('shop')}"}

    refused = [
        door.get(f"/v1/notifications/{id_}", headers=other),
        door.get("/v1/notifications/b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11"),
        door.get("/v1/notifications/x"),
    ]
    execute(database, "DELETE FROM routes")
    execute(database, "DELETE FROM notifications")
    refused.append(door.get(f"/v1/notifications/{id_}"))

    assert {(answer.status_code, answer.text) for answer in refused} == {(404, refused[0].text)}


def test_a_cancellation_that_waits_for_its_intent_is_shown(door: TestClient, token: Token) -> None:
    """By the id that its intent will have, with its answer so far (R28)."""
    id_ = door.post("/v1/intents", json={"cancels": "turn-17"}).json()["notification_id"]

    shown = door.get(f"/v1/notifications/{id_}").json()

    assert (shown["kind"], shown["idempotency_key"]) == ("cancellation", "turn-17")
    assert shown["cancellation"]["answer"] == "waits for its intent, which is cancelled when it comes"
    other = {"authorization": f"Bearer {token('shop')}"}
    assert door.get(f"/v1/notifications/{id_}", headers=other).status_code == 404


def test_a_limit_that_is_none_is_told(door: TestClient) -> None:
    """422 with the field; the id is not even looked at."""
    for limit in ("0", "1001", "-1", "x", "", "9" * 30):
        answer = door.get(f"/v1/notifications/x?limit={limit}")
        assert (answer.status_code, answer.json()["field"]) == (422, "limit")
