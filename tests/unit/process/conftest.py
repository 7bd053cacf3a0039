"""Logging, as it was before a test configured it."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from publisher.process import logs


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """Puts back what `configure` changes for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._QUIET}
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, its_level in levels.items():
        logging.getLogger(name).setLevel(its_level)
