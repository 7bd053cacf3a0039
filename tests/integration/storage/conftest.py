"""Databases whose PostgreSQL was started at a chosen time."""

import pytest

from storage.database import Database
from tests.integration.storage.mail.begun_mail import started


@pytest.fixture
def settled(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """PostgreSQL has been up for longer than a lease: nobody is given time to report what it did before."""
    return started(database, monkeypatch, "1 day")


@pytest.fixture
def restarted(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """PostgreSQL was restarted just now."""
    return started(database, monkeypatch, "1 second")
