"""Notes in workers which streams the settings name, and looks at those that were given up (R27, R37)."""

import threading

import dramatiq

from actors.context import context
from actors.middleware.surviving import surviving
from publisher.streams.given_up import INTERVAL, GivenUpStreams, named_today
from publisher.streams.keys import retention_key
from publisher.streams.mutex import Mutex


class StreamWatch(dramatiq.Middleware):
    """Notes this worker's streams at its boot and every minute, in a thread of its own; one worker of all then looks.

    It is a worker that names a stream: as long as one appends to it, the stream is not given up.
    """

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Starts the thread."""
        threading.Thread(target=self._run, name="stream-watch", daemon=True).start()

    def _run(self) -> None:
        service = context()
        given_up, mutex = GivenUpStreams(service.servers), Mutex(service.redis, retention_key)
        while not service.stopping.is_set():
            with service.watchdog.at_work():
                self._watch(given_up, mutex)
            service.stopping.wait(INTERVAL.total_seconds())

    def _watch(self, given_up: GivenUpStreams, mutex: Mutex) -> None:
        service = context()
        with surviving("streams that may be given up were not looked at and will be later"):
            known_by_name = (*service.intents_streams, service.events_stream)
            given_up.note(named_today(service.servers, known_by_name, service.channels.values()))
            if mutex.acquire("given-up", INTERVAL / 2):
                service.watchdog.beat()
                given_up.look()
