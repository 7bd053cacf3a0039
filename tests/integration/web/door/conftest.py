"""The HTTP door of this test's servers, asked without a network, by somebody who has a token."""

from collections.abc import Callable, Collection

import pytest
from starlette.testclient import TestClient

from publisher.operations import tokens
from publisher.operations.tokens import Sends
from storage.database import Database
from tests.integration.web.conftest import Serve

Token = Callable[..., str]


@pytest.fixture
def token(database: Database) -> Token:
    """Makes a token of a producer."""

    def make(producer: str = "game-service", sends: Collection[Sends] = (Sends.INTENTS,)) -> str:
        return tokens.add(database, producer, "a test", sends, "tester").token

    return make


@pytest.fixture
def door(serve: Serve, token: Token) -> TestClient:
    """The door, asked by the producer `game-service`, who may send intents and events."""
    client = serve({"PUBLISHER_WEB_DOOR_RATE": "0"})
    client.headers["authorization"] = f"Bearer {token(sends=[*Sends])}"
    return client
