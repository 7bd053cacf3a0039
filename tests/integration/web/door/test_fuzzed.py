"""The door asked at random, after its own description: no answer is a fault of ours, and each is as described.

Schemathesis makes requests that are as the document says, and requests that are not.
"""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks
from starlette.testclient import TestClient

from publisher.mail.bounces.notified import Provider
from publisher.operations.tokens import Sends
from tests.integration.web.door.conftest import Token
from tests.integration.web.door.test_openapi import DOCUMENT

load_all_checks()
# No 5xx; the status, the type, the headers and the body of an answer are among those that the document names for it.
CONFORMANCE = CHECKS.get_by_names(
    ["not_a_server_error"]
    + [f"{part}_conformance" for part in ("status_code", "content_type", "response_headers", "response_schema")]
)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {each.ok().label: each.ok() for each in SCHEMA.get_all_operations()}
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]


def fuzz(door: TestClient, token: Token, label: str, examples: int) -> None:
    """Sends so many requests of each kind to this operation, and checks each answer against the document."""
    if (provider := label.rpartition("/")[2]) in set(Provider):
        door.headers["authorization"] = f"Bearer {token(provider, [Sends.EVENTS])}"
    cases: st.SearchStrategy[Any] = st.one_of([OPERATIONS[label].as_strategy(generation_mode=mode) for mode in MODES])

    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=[*HealthCheck], derandomize=True
    )
    @given(case=cases)
    def ask(case: schemathesis.Case) -> None:
        sent = case.as_transport_kwargs()
        body = sent["data"] if "data" in sent else json.dumps(sent.get("json"))
        # Schemathesis makes tokens up as well, with which nothing would be seen but 401.
        headers = {name: value for name, value in sent["headers"].items() if name.lower() != "authorization"}
        answer = door.request(sent["method"], sent["url"], headers=headers, params=sent.get("params"), content=body)
        case.validate_response(answer, checks=CONFORMANCE)

    ask()


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_is_answered_in_another_way_than_described(door: TestClient, token: Token, label: str) -> None:
    """Neither one that is as described, nor one that is not."""
    fuzz(door, token, label, 20)


@pytest.mark.long
@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_of_thousands_is(door: TestClient, token: Token, label: str) -> None:
    """The same for longer."""
    fuzz(door, token, label, 2_000)
