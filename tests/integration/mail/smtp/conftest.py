"""The server that messages are sent to."""

from collections.abc import Iterator

import pytest

from tests.smtp_servers import EVERYTHING, HostileSmtp, hostile_smtp


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[HostileSmtp]:
    """A server that behaves until it is told otherwise. What it offers: its parameter, or everything."""
    with hostile_smtp(offers=getattr(request, "param", EVERYTHING)) as running:
        yield running
