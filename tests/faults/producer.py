"""A producer with a steady rate: keeps a history of all it sent, and makes the mistakes that producers make."""

import json
import random
import threading
import time
from collections.abc import Collection, Mapping

import redis

from publisher.domain.notification import delivery_id_of, notification_id_of
from tests.factories import INTENTS
from tests.faults.following import following
from tests.faults.invariants import Expected

# None of these may ever stand in a log.
ADDRESS_CANARY = "canary.person"
PAYLOAD_CANARY = "payload-canary-7f3a"
BAD = "bad-"
TYPES = ("chaos.turn.ready", "chaos.game.over", "chaos.digest")

PUBLISHED, SKIPPED, DEAD = frozenset({"published"}), frozenset({"skipped"}), frozenset({"dead_letter"})
# Of one with a deadline nobody can tell: it depends on when the faults come.
IN_TIME_OR_NEVER = frozenset({"published", "expired"})
# More than are sent in the longest time in which nothing is accepted, and which Valkey may lose twice.
_REMEMBERED = 10_000


class Producer:
    """Sends intents in a thread of its own until it is stopped or has sent enough.

    Of a hundred intents about one has a bad address, ten a deadline and five a time to wait for; six are cancelled,
    before or after they are sent; besides, five are sent again and two are malformed. An entry whose reply was lost is
    sent again, under the same idempotency key.
    """

    def __init__(self, url: str, *, seed: int, per_second: float, intents: int, bad_until: float = 1.0) -> None:
        """bad_until: the part of the intents among which the bad addresses are; giving them up takes its time."""
        self._client = following(url, timeout=2)
        self._dice = random.Random(seed)
        self._name = f"chaos-{seed}"
        self._rate, self._intents, self._bad_until = per_second, intents, bad_until
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._routes: dict[str, Collection[str]] = {}
        self._asked: list[tuple[float, Collection[str]]] = []
        self._recent: list[tuple[str, dict[str, str]]] = []
        self._cancelled: set[str] = set()
        self.intents = self.resent = self.repeated = self.restored = 0
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)
        self._thread.start()

    @property
    def routes(self) -> int:
        """How many routes were asked for so far."""
        with self._lock:
            return len(self._routes)

    def asked_since(self, moment: float) -> list[str]:
        """The delivery ids of what was asked for after this moment."""
        with self._lock:
            return [id_ for at, ids in self._asked if at > moment for id_ in ids]

    @property
    def done(self) -> bool:
        """True once it has sent all."""
        return not self._thread.is_alive()

    def enough(self) -> None:
        """Has it send no more intents than it has begun to send."""
        self._stopping.set()

    def close(self) -> None:
        """Stops after the entry in hand."""
        self._stopping.set()
        self._thread.join()
        self._client.close()

    def expected(self) -> Expected:
        """What must have come of it all. Malformed entries are those that stand on the stream: some twice."""
        standing = {id_.decode() for id_, fields in self._client.xrange(INTENTS) if _is_bad(fields)}
        return Expected(dict(self._routes), standing, self._cancelled)

    def _run(self) -> None:
        start, sent = time.monotonic(), 0
        while sent < self._intents and not self._stopping.is_set():
            due = int((time.monotonic() - start) * self._rate)
            for number in range(sent, min(due, self._intents)):
                self._send_one(number)
            sent = max(sent, min(due, self._intents))
            self._stopping.wait(0.5 / self._rate)

    def _send_one(self, number: int) -> None:
        fields, routes = self._intent(number)
        cancels = self._dice.choice(("before", "after")) if self._dice.random() < 0.06 else None
        if cancels:
            self._cancelled.add(notification_id_of(self._name, fields["idempotency_key"]))
            routes = {id_: ends if ends is SKIPPED else {*ends, "cancelled"} for id_, ends in routes.items()}
        cancellation = {"producer": self._name, "cancels": fields["idempotency_key"]}
        with self._lock:
            # First the tally: what is sent once may be accepted, whatever the reply.
            self._routes |= routes
            self._asked.append((time.monotonic(), routes.keys()))
            self.intents += 1
        if cancels == "before":
            self._add(cancellation)
        self._add(fields)
        if cancels == "after":
            self._add(cancellation)
        if self._dice.random() < 0.05 and self._recent:
            self.resent += 1
            self._add(self._dice.choice(self._recent)[1])
        if self._dice.random() < 0.02:
            malformed = fields | {"idempotency_key": f"{BAD}{number}"} | self._dice.choice(_MISTAKES)
            self._add(malformed)

    def _intent(self, number: int) -> tuple[dict[str, str], Mapping[str, Collection[str]]]:
        key = f"{self._name}-{number}"
        bad = self._dice.random() < 0.01 / self._bad_until and number < self._intents * self._bad_until
        users = [f"{number}-{n}" for n in range(self._dice.choice((1, 1, 2)))]
        emails = {user: f"{ADDRESS_CANARY}.{user}@example.org" for user in users}
        if bad:
            emails[users[0]] = f"{ADDRESS_CANARY}.at.example.org"
        elif self._dice.random() < 0.05:
            del emails[users[0]]
        # In the third part of those, it is over before a worker that dies has lost its lease.
        deadline = self._dice.choice((2, 10, 10)) if not bad and self._dice.random() < 0.1 else None
        sent = IN_TIME_OR_NEVER if deadline else PUBLISHED
        id_ = notification_id_of(self._name, key)
        routes: dict[str, Collection[str]] = {}
        for user in users:
            routes[delivery_id_of(id_, f"push:user:{user}")] = sent
            email = emails.get(user)
            ends = SKIPPED if email is None else sent if "@" in email else DEAD
            routes[delivery_id_of(id_, f"email:user:{user}")] = ends
        fields = {
            "notification_type": self._dice.choice(TYPES),
            "lane": self._dice.choice(("urgent", "normal", "normal", "bulk")),
            "producer": self._name,
            "audience_kind": "user",
            "recipients_json": json.dumps([{"user_id": u, "email": emails.get(u)} for u in users]),
            "idempotency_key": key,
            "occurred_at_ms": str(int(time.time() * 1000)),
            "payload_json": json.dumps({"turn": number, "secret": PAYLOAD_CANARY}),
        }
        if deadline:
            fields["expires_at_ms"] = str(int((time.time() + deadline) * 1000))
        elif self._dice.random() < 0.05:
            fields["not_before_ms"] = str(int((time.time() + self._dice.choice((0.5, 3))) * 1000))
        return fields, routes

    def _add(self, fields: dict[str, str]) -> str:
        """Adds the entry, however often it takes. Returns the id it stands under for certain."""
        failed = False
        while True:
            try:
                entry_id: str = self._client.xadd(INTENTS, fields).decode()  # type: ignore[arg-type, union-attr]
                if failed:
                    self._restore()
            except redis.RedisError:
                failed = True
                self.repeated += 1
                time.sleep(0.05)
            else:
                self._recent = [*self._recent[-_REMEMBERED:], (entry_id, fields)]
                return entry_id

    def _restore(self) -> None:
        """Sends again what a killed Valkey acknowledged and does not know: nobody else could."""
        with self._client.pipeline(transaction=False) as pipe:
            for entry_id, _ in self._recent:
                pipe.xrange(INTENTS, entry_id, entry_id)
            found = pipe.execute()
        for place, ((_, fields), standing) in enumerate(zip(self._recent, found, strict=True)):
            if not standing:
                entry_id = self._client.xadd(INTENTS, fields).decode()  # type: ignore[arg-type, union-attr]
                self._recent[place] = entry_id, fields
                self.restored += 1


_MISTAKES: list[dict[str, str]] = [
    {"payload_json": "{"},
    {"occurred_at_ms": "yesterday"},
    {"unknown": "field"},
    {"recipients_json": "[]"},
    {"channels_json": '["pigeon"]'},
]


def _is_bad(fields: Mapping[bytes, bytes]) -> bool:
    return fields.get(b"idempotency_key", b"").startswith(BAD.encode())
