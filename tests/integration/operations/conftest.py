"""What the tests of operations share."""

import pytest

from publisher.domain.errors import DatabaseUnavailable
from publisher.operations.changes import audited
from tests.integration.failing_calls import Failing


@pytest.fixture
def end_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loses the reply to each recording of an action's end."""
    end_action = Failing(audited.end_action, DatabaseUnavailable("the reply was lost"), after_work=True)
    end_action.failing.set()
    monkeypatch.setattr(audited, "end_action", end_action)
