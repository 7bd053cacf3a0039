"""Does in the caller's own thread, at once, what another thread would do meanwhile: each run takes the same steps."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from publisher.domain.errors import PublisherError


class AtOnce(Executor):
    """In the place of a ThreadPoolExecutor. A crash is the caller's own, as that of a whole process is."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        """Takes what a ThreadPoolExecutor takes, and starts no thread."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Calls, and keeps the result or the error that the service knows."""
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments, **options))
        except PublisherError as error:
            future.set_exception(error)
        return future
