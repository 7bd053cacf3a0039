"""Hostile bodies: each is refused in words, nothing of it is kept, and the door goes on (R19, R36)."""

import json

import pytest
from starlette.testclient import TestClient

from storage.database import Database
from tests.integration.rows import rows
from tests.integration.web.door.test_intents import written

JSON = {"content-type": "application/json"}
WHOLE = json.dumps(written())


def test_what_is_no_json_is_told_by_its_place(database: Database, door: TestClient) -> None:
    """400 for the whole request: nothing of an array is taken in whose end cannot be read."""
    bodies = {
        b"": "no JSON: Expecting value at character 0",
        b"{": "no JSON: Expecting property name enclosed in double quotes at character 1",
        b"7": "a JSON object, or an array of objects",
        b'"x"': "a JSON object, or an array of objects",
        b"\xff": "not UTF-8 at byte 0",
        b"\xef\xbb\xbf{}": "no JSON",
        f"[{WHOLE}, ".encode(): "no JSON",
        f"[{WHOLE}] x".encode(): "no JSON: Extra data",
        f"[{WHOLE} {WHOLE}]".encode(): "no JSON: Expecting ',' delimiter",
        b"[" * 100_000: "nested too deeply",
        b'{"payload": ' + b'{"x":' * 100_000: "nested too deeply",
        json.dumps(written()).encode("utf-16"): "not UTF-8",
    }

    for body, why in bodies.items():
        answer = door.post("/v1/intents", content=body, headers=JSON)
        assert answer.status_code == 400, (body[:40], answer.text)
        assert why in answer.json()["detail"], (body[:40], answer.text)
    assert rows(database, "SELECT * FROM notifications") == []


def test_what_json_can_hold_and_no_intent_can_is_told(database: Database, door: TestClient) -> None:
    """422 for a name given twice, half a surrogate pair, numbers out of every range, NaN, NUL, and depth."""
    payloads = {
        '{"x": 1e999}': "a number is out of range",
        f'{{"x": {"9" * 5000}}}': "payload",
        '{"x": NaN}': "NaN is no JSON number",
        '{"x": 1, "x": 2}': "an object names a member twice",
        f'{{"x": {"[" * 70}{"]" * 70}}}': "nested too deeply",
    }
    fields = {
        '"lane": "bulk", "lane": "bulk"': "a field is given more than once",
        '"lane": null, "lane": "bulk"': "a field is given more than once",
        '"request_id": "\\ud800"': "half of a surrogate pair",
        '"\\ud800": 1': "half of a surrogate pair",
        '"request_id": "a\\u0000b"': "control characters",
        '"expires_at_ms": 1e999': "must be Unix milliseconds",
        f'"expires_at_ms": {"9" * 5000}': "must be Unix milliseconds",
        '"request_id": {"x": 1}': "must be text or a number",
        '"producer": ["game-service"]': "this token is for the producer",
    }
    bodies = {
        f'{WHOLE[:-1]}, "payload": {text}}}'.replace('"payload": {"turn": 17}, ', ""): w for text, w in payloads.items()
    }
    bodies = {body.replace('"payload": {"turn": 17}', '"lane": "normal"', 1): why for body, why in bodies.items()}
    without = json.dumps(written(producer=None))
    bodies |= {f"{without[:-1]}, {text}}}": why for text, why in fields.items()}

    for body, why in bodies.items():
        answer = door.post("/v1/intents", content=body, headers=JSON)
        assert answer.status_code in (422, 403), (body[-60:], answer.text)
        assert why in answer.json()["detail"], (body[-60:], answer.text)
    together = door.post("/v1/intents", content=f"[{','.join(bodies)}]", headers=JSON).json()["results"]
    assert {result["status"] for result in together} == {422, 403}
    assert rows(database, "SELECT * FROM notifications") == []


def test_a_thousand_are_taken_and_one_more_is_not(database: Database, door: TestClient) -> None:
    """413 before any is looked at; an array of nothing has no results."""
    whole = [written(f"turn-{n}") for n in range(1_001)]

    assert door.post("/v1/intents", json=whole).status_code == 413
    assert rows(database, "SELECT * FROM notifications") == []
    results = door.post("/v1/intents", json=whole[:1_000]).json()["results"]
    assert {result["status"] for result in results} == {201}
    assert door.post("/v1/intents", json=[]).json() == {"results": []}


def test_an_object_of_endless_members_is_not_read_to_its_end(door: TestClient) -> None:
    """Nor an array: what costs a second of a processor is refused after a hundred members (413)."""
    members = ", ".join(f'"a{n}": {n}' for n in range(200_000))

    for body in (f"{{{members}}}", f"[{{{members}}}]", f"[{'1,' * 1_000_000}1]"):
        assert door.post("/v1/intents", content=body, headers=JSON).status_code == 413


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        JSON | {"content-encoding": "gzip"},
    ],
)
def test_another_type_is_refused_unread(door: TestClient, header: dict[str, str]) -> None:
    """415: a form of a browser is no intent, nor is a compressed body."""
    answer = door.post("/v1/intents", content=WHOLE, headers=header)

    assert (answer.status_code, answer.headers["connection"]) == (415, "close")


def test_what_is_refused_is_logged_and_counted_without_its_values(
    door: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sender is told by field and reason; neither holds a value (R36)."""
    answer = door.post("/v1/intents", json=written(audience_kind="ann@example.com"))

    assert answer.status_code == 422
    assert "ann@" not in answer.text
    assert "ann@" not in capsys.readouterr().err
    assert 'intents_total{result="refused"} 1.0' in door.get("/metrics").text


def test_a_path_or_a_method_that_there_is_not_is_a_problem_in_json(door: TestClient) -> None:
    """RFC 9457 for both, with what is allowed."""
    for method, path, status in [
        ("GET", "/v1/intents", 405),
        ("PUT", "/v1/delivery-events", 405),
        ("OPTIONS", "/v1/intents", 405),
        ("POST", "/v1/intents/", 404),
        ("POST", "/v1/nothing", 404),
        ("GET", "/v1/", 404),
        ("GET", "/v1/a%0Ab", 404),
    ]:
        answer = door.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path
        assert answer.json()["status"] == status
        assert status == 404 or answer.headers["allow"] == "POST"
    assert door.head("/v1/intents").status_code == 405
