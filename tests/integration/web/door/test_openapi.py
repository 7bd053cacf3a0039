"""The door's description of itself: what it says is what the code does, held field by field and by asking at random."""

import json
from pathlib import Path
from typing import Any

from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from publisher.domain.cancellation import CancellationFields
from publisher.domain.delivery_event_fields import DeliveryEventFields
from publisher.domain.intent_fields import AddressFields, AddressRecipient, UserFields, UserRecipient
from publisher.intake.over_http import Result
from publisher.web.door import routes

DOCUMENT: dict[str, Any] = json.loads((Path(routes.__file__).parent / "openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
BOUND = {"UserIntent": "producer", "AddressIntent": "producer", "Cancellation": "producer", "DeliveryEvent": "source"}
MODELS = {
    "UserIntent": UserFields,
    "AddressIntent": AddressFields,
    "User": UserRecipient,
    "Address": AddressRecipient,
    "Cancellation": CancellationFields,
    "DeliveryEvent": DeliveryEventFields,
}


def test_it_is_served_as_it_is_shipped(page: TestClient) -> None:
    """To whoever asks: it holds nothing secret."""
    assert page.get("/openapi.json").json() == DOCUMENT


def test_it_names_every_path_of_the_door(page: TestClient) -> None:
    """Each with its method, and no other."""
    [door] = [route for route in page.app.routes if isinstance(route, Mount) and route.path == "/v1"]  # type: ignore[attr-defined]
    found = {
        (f"/v1{route.path}", method.lower())
        for route in door.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }

    assert found == {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}


def test_it_names_every_field_of_the_domain() -> None:
    """What is sent has the fields of the streams, the same required ones, and limits of the same length.

    The field that the token fills in is not required.
    """
    for name, model in MODELS.items():
        schema, fields = SCHEMAS[name], model.model_fields
        assert {field.removesuffix("_json") for field in fields} == set(schema["properties"]), name
        required = {field.removesuffix("_json") for field, info in fields.items() if info.is_required()}
        assert set(schema["required"]) == required - {BOUND.get(name)}, name
        for field, described in model.model_json_schema()["properties"].items():
            shown = schema["properties"][field.removesuffix("_json")]
            limits = {each["maxLength"] for each in [described, *described.get("anyOf", [])] if "maxLength" in each}
            assert limits <= {shown.get("maxLength")}, (name, field)


def test_it_names_every_result() -> None:
    """Whatever becomes of an intent or an event has its word in it."""
    assert set(SCHEMAS["Result"]["properties"]["result"]["enum"]) == {*Result}
