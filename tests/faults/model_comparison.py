"""The service beside its model, and the comparison of their states after each operation (R3 to R12a)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from actors.context import Context
from publisher.domain.notification import Route
from publisher.publishing.report import Report
from storage.claiming.claims import Claim
from tests.faults import invariants
from tests.faults.composition import EMPTY
from tests.faults.model import Model
from tests.faults.model_route import Seen
from tests.integration.publishers import BACKOFF, publisher
from tests.integration.rows import execute

if TYPE_CHECKING:
    import psycopg2.extras

    from tests.faults.model_intents import Entry

# Longer than any run: leases end, and retries come due, when a rule says so.
LEASE_TTL = timedelta(hours=1)
BATCH = 4

_ROUTES = """
SELECT routes.id, n.notification_id || '/' || route_id AS delivery_id, n.id AS notification, status,
       attempt_count AS attempts,
       next_attempt_at <= statement_timestamp() AS due, lease_token AS holder,
       lease_expires_at <= statement_timestamp() AS expired, lease_loss_count AS losses, stream_entry_id AS entry,
       last_failure_classification AS failure, routes.expires_at <= statement_timestamp() AS late, replay, requeues,
       cancel_requested_at IS NOT NULL AS marked
FROM routes FULL JOIN notifications AS n ON n.id = notification_key
"""
_DEAD = """
SELECT notification_id || '/' || route_id AS delivery_id, classification, attempt_count,
       requeued_at IS NULL AND discarded_at IS NULL AS waits
FROM dead_letters
"""
_CANCELLATIONS = """
SELECT notification_id::text AS id, awaits_intent AS awaits,
       CASE WHEN answered_at IS NOT NULL THEN ARRAY[cancelled, published, otherwise] END AS counts
FROM cancellations
"""
_MALFORMED = "SELECT stream_entry_id, failure_code FROM malformed_intents"


class Message(NamedTuple):
    """What intake tells the workers of a channel: new routes, and the handover that leases them."""

    channel: str
    ids: Sequence[int]
    handover: str


@dataclass
class ModelEnvironment:
    """What every example runs on, and how often each operation was done over all of them.

    eyes: a cursor of its own, since seen_outside is most of the work.
    """

    context: Context
    eyes: "psycopg2.extras.RealDictCursor"
    operations: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)


class Comparison:
    """An empty service and an empty model, and how they are compared.

    claims: what workers have leased, kept for ever, so that many of them are stale.
    messages: what intake has handed over, likewise.
    """

    def __init__(self, environment: ModelEnvironment) -> None:
        self.environment = environment
        self._eyes = environment.eyes
        self.database = environment.context.database
        self.redis = environment.context.redis
        self.streams = environment.context.streams
        self.channels = environment.context.channels
        self.model = Model()
        self.claims: list[Claim] = []
        self.messages: list[Message] = []
        self.keys: dict[str, int] = {}
        self.batches: list[Sequence[tuple[str, Entry]]] = []
        self.entries = 0
        self.appended: dict[tuple[str, str], str] = {}
        options = {"lease_ttl": LEASE_TTL, "batch_size": BATCH, "backoff": replace(BACKOFF, minimum=LEASE_TTL / 2)}
        self.publisher = publisher(self.database, self.streams, channels=self.channels, **options)
        execute(self.database, EMPTY)
        self.redis.flushdb()

    def compare(self) -> None:
        """All that can be seen, with all that must be."""
        seen, dead, malformed = self._look()
        same(sorted(self.model.differences(seen)), [])
        standing = invariants.commands(self.redis)
        same(standing, self.model.commands)
        # A command for each time that an operator asked, and none of what has expired or was cancelled; more only if
        # Redis lost some.
        most = {id_: seen[id_].replay + (seen[id_].status not in ("expired", "cancelled")) for id_ in standing}
        too_many = {id_ for id_, entries in standing.items() if len(entries) > most[id_]}
        same(too_many - self.model.ever_lost, set())
        same([id_ for id_, route in seen.items() if route.status in invariants.FINAL and route.holder], [])
        same(
            Counter((d["delivery_id"], d["classification"], d["attempt_count"]) for d in dead),
            Counter(self.model.dead_letters),
        )
        waiting = sorted(d["delivery_id"] for d in dead if d["waits"])
        dead_routes = (id_ for id_, route in seen.items() if route.status == "dead_letter")
        same(waiting, sorted(id_ for id_ in dead_routes if not self.model.routes[id_].discarded))
        self._eyes.execute(_CANCELLATIONS)
        answers = {c["id"]: (c["awaits"], c["counts"] and tuple(c["counts"])) for c in self._eyes.fetchall()}
        same(answers, {id_: (c.awaits, c.counts) for id_, c in self.model.cancellations.items()})
        same({m["stream_entry_id"]: m["failure_code"] for m in malformed}, self.model.malformed)
        same(len(malformed), len(self.model.malformed))

    def _look(self) -> tuple[dict[str, Seen], list[dict[str, Any]], list[dict[str, Any]]]:
        """The routes by delivery id, the dead letters, and the malformed intents."""
        self._eyes.execute(_ROUTES)
        found = {route.pop("delivery_id"): route for route in map(dict, self._eyes.fetchall())}
        # Of a route without its notification, and of a notification without routes, one of the two is missing.
        same([row for row in found.values() if None in (row["id"], row.pop("notification"))], [])
        self.keys = {delivery_id: route.pop("id") for delivery_id, route in found.items()}
        seen = {delivery_id: Seen(**route) for delivery_id, route in found.items()}
        self._eyes.execute(_DEAD)
        dead = self._eyes.fetchall()
        self._eyes.execute(_MALFORMED)
        return seen, dead, self._eyes.fetchall()

    def _claimed(self, claim: Claim, losses: Mapping[str, int], limit: int) -> None:
        """Compares a claim with what could be claimed: route -> the leases it will have lost in a row."""
        taken = [c.route.delivery_id for c in claim.routes]
        same([id_ for id_, times in Counter(taken).items() if times > 1 or id_ not in losses], [])
        assert taken or not losses, f"nothing was claimed of {losses}"
        assert claim.more or len(taken) == len(losses), f"{taken} was claimed of {losses}, and no more"
        worst = max(losses.values(), default=0)
        if worst == 0:
            same(len(taken), min(limit, len(losses)))
        elif len(losses) <= limit:
            # R5a: what may kill its workers is kept apart from all others, and at last alone.
            same({losses[id_] for id_ in taken}, {worst})
            assert worst < 3 or len(taken) == 1, f"{taken} were claimed together"
        if claim.routes:
            self.claims.append(claim)
        for claimed in claim.routes:
            state = self.model.take(claim.token, claimed.route.delivery_id)
            read = (claimed.route.status, claimed.route.attempt_count, claimed.route.lease_loss_count)
            same(read, (state.status, state.attempts, state.losses))

    def _changed(self, word: str, keys: Iterable[int], expected: Mapping[Route, bool]) -> None:
        """Compares the routes that a verb says it changed with those that it should have."""
        same(set(keys), {route.id for route, changes in expected.items() if changes})
        self.environment.results[word] += sum(expected.values())
        self.environment.results[f"stale: {word}"] += len(expected) - sum(expected.values())

    def _attempted(self, channel: str, reports: Sequence[Report], handover: str = "") -> set[str]:
        """Follows whole attempts: those whose route has changed. Returns their delivery ids."""
        (seen, *_), standing = self._look(), invariants.commands(self.redis)
        # What a message names and no attempt was made of is given back: its handover need not run out first.
        for id_, state in self.model.routes.items():
            if state.holder == handover and seen[id_] == state.seen._replace(holder=None, expired=None):
                self.model.release(handover, id_)
        claimable = self.model.claimable(channel) | self.model.handed_over(handover, channel)
        taken = {id_ for id_, state in claimable.items() if seen[id_] != state.seen}
        ended = Counter(self.model.attempt(id_, standing.get(id_, [None])[-1]) for id_ in taken)
        same(sum(report.published for report in reports), ended["published"])
        same(sum(len(report.rescheduled) for report in reports), ended["failed"])
        same(sum(len(report.dead_lettered) for report in reports), ended["dead_letter"])
        self.environment.results.update({f"whole attempt: {status}": count for status, count in ended.items()})
        return taken


def same(got: object, expected: object) -> None:
    """Fails if these differ."""
    assert got == expected, f"{got} is not {expected}"
