"""Keeps a worker's own threads alive, whatever fails in one of their rounds: they come round again."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from publisher.domain.errors import PublisherError

_log = structlog.get_logger()


@contextmanager
def surviving(said: str, **fields: object) -> Iterator[None]:
    """Logs what is raised within it, and raises nothing.

    An error of the service is a warning, any other one is logged with its traceback.
    said: the event of that line. fields: its fields.
    """
    try:
        yield
    except PublisherError as error:
        _log.warning(said, **fields, error=error)
    except Exception:  # noqa: BLE001 - the thread must survive a bug: nobody else would do its work
        _log.exception(said, **fields)
