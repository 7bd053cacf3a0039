"""What the pages of this process share."""

from collections.abc import Callable
from dataclasses import dataclass

from publisher.settings.settings import Settings
from publisher.streams.servers.stream_servers import StreamServers
from publisher.web.history import History
from publisher.web.reading import Reading
from publisher.web.rendering import Rendering
from publisher.web.running import Running
from publisher.web.security.access import Access
from publisher.web.security.attempts import Attempts
from publisher.web.security.sessions import Sessions
from storage.database import Database


@dataclass(frozen=True, slots=True)
class WebContext:
    """Everything that a page needs.

    shown: PostgreSQL for what a page shows: each statement has two seconds.
    changed: PostgreSQL for what a page changes: each statement has as long as a lease allows.
    servers: the Redis of every stream; each call has so little time that one which hangs leaves some to the others.
    history: the snapshots of the last ten minutes.
    reading: reads the sections of a page in threads, within the time that a page has.
    reading_redis: the same for what Redis alone knows: it is there while all threads of `reading` wait for PostgreSQL.
    changing: makes the changes of forms in threads, each within the time that a server may take.
    running: the changes of many routes that this process carries out.
    wake: tells the workers of a channel that routes of it are due; False if it could not.
    """

    settings: Settings
    shown: Database
    changed: Database
    servers: StreamServers
    history: History
    reading: Reading
    reading_redis: Reading
    changing: Reading
    running: Running
    wake: Callable[[str], bool]
    rendering: Rendering
    sessions: Sessions
    access: Access
    attempts: Attempts
