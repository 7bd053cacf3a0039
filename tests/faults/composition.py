"""Composes the service in the test's own process, without worker or scheduler: a test calls each part itself."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import dramatiq
import pytest

from actors.context import Context
from publisher.bootstrap import install_context
from publisher.environment import load_settings
from storage.models.all_models import MODELS

# Empties every table of the service, those that refer to others first. Of so few rows much faster than TRUNCATE, which
# makes a new file for each table and index.
EMPTY = "; ".join(f"DELETE FROM {model._meta.table_name}" for model in reversed(MODELS))


@contextmanager
def installed(environ: Mapping[str, str], **variables: str) -> Iterator[Context]:
    """What the actors work with, from this environment and the variables given besides."""
    context = install_context(load_settings({**environ, **variables}), "test")
    with closing(context.database), context.redis, dramatiq.get_broker().client:
        try:
            yield context
        finally:
            context.stopping.set()


def seed_of(config: pytest.Config, default: int) -> int:
    """The seed given with `pytest --hypothesis-seed=N`, to see a run again, or this one. Printed either way."""
    given = config.getoption("--hypothesis-seed")
    seed = default if given is None else int(given)
    sys.stdout.write(f"seed {seed}: again with --hypothesis-seed={seed}\n")
    return seed
