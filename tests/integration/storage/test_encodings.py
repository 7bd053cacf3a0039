"""Databases that do not hold every text: refused by `migrate`, and nothing lost where one is in use all the same."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import pytest

from publisher.domain.errors import DatabaseMisconfigured
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.intake.acceptor import Acceptor
from publisher.operations.malformed.fields import recorded_entry
from storage.accepting.intents import IncomingMalformed
from storage.database import Database
from storage.schema import schema
from tests.conftest import Servers, run_sql
from tests.factories import INTENTS, incoming
from tests.integration.rows import rows

TEXT = "Jörg 🎲"


@pytest.fixture(params=["SQL_ASCII", "LATIN1"])
def narrow(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Database]:
    """An empty database of another encoding."""
    name = f"test_{request.param.lower()}"
    run_sql(
        servers.database_url,
        f"DROP DATABASE IF EXISTS {name}",
        f"CREATE DATABASE {name} ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    )
    url = urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{name}"))
    with closing(Database(url, application_name="test")) as database:
        yield database
    run_sql(servers.database_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def in_use(narrow: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The same, migrated by a release that did not look."""
    monkeypatch.setattr(schema, "ENCODING", schema.server_encoding(narrow))
    schema.migrate(narrow)
    return narrow


def test_a_migration_refuses_another_encoding(narrow: Database) -> None:
    """Nothing is made in such a database, and the error says what to do (R19a)."""
    with pytest.raises(DatabaseMisconfigured, match="ENCODING 'UTF8' TEMPLATE template0"):
        schema.migrate(narrow)

    assert rows(narrow, "SELECT relname FROM pg_class WHERE relname = 'routes'") == []


def test_what_such_a_database_cannot_hold_is_kept_in_ascii(in_use: Database) -> None:
    """A malformed entry, and an intent that the database cannot hold, are recorded with every byte; neighbours are
    accepted (R19, R19a)."""
    commits = Acceptor(in_use, INTENTS, threading.Event(), lambda _ids: None)
    payload = json.dumps({"name": TEXT}, ensure_ascii=False)
    raw = ((b"producer", TEXT.encode()), (TEXT.encode(), b"\xff\x00"), (b"plain", b"text"))
    why = Rejection(RejectionCode.UNKNOWN_FIELD, f"{TEXT}: unknown")
    entries = [
        incoming("1-0"),
        IncomingMalformed("2-0", raw, why),
        incoming("3-0", payload_json=payload),
        incoming("4-0"),
    ]

    became = [accepted for _, accepted in commits.commit(entries)]

    accepted = {intent.entry_id for part in became for intent in part.accepted}
    recorded = {row["stream_entry_id"]: row["raw_fields"] for row in rows(in_use, "SELECT * FROM malformed_intents")}
    assert {"1-0", "4-0"} <= accepted
    assert accepted | set(recorded) == {"1-0", "2-0", "3-0", "4-0"}
    # A name that is no ASCII is told by its bytes.
    assert dict(recorded_entry(recorded["2-0"])) == {
        b"producer": TEXT.encode(),
        b"plain": b"text",
        b"base64:SsO2cmcg8J+Osg==": b"\xff\x00",
    }
    if "3-0" in recorded:
        assert (b"payload_json", payload.encode()) in recorded_entry(recorded["3-0"])
