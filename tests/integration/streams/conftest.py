"""A consumer of the intents group."""

from collections.abc import Callable

import pytest

from publisher.streams.intents import IntentsGroup


@pytest.fixture
def group(consumer: Callable[[str], IntentsGroup]) -> IntentsGroup:
    """The consumer `one` of a group that exists."""
    group = consumer("one")
    group.create()
    return group
