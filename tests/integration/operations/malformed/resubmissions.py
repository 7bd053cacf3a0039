"""What a resubmission is asked, and what it leaves on the stream and on record."""

from collections.abc import Callable

import redis

from publisher.operations.changes.bulk import Ended, Hooks, carry_out
from publisher.operations.malformed.resubmit import Resubmission, Sendable
from publisher.operations.malformed.resubmit_many import Tally, plan_resubmission
from storage.actions import ActionFilter, ActionRecord, list_actions
from storage.database import Database
from storage.malformed.reading import MalformedFilter, MalformedRecord
from tests.factories import INTENTS
from tests.integration.rows import rows

Give = Callable[..., MalformedRecord]


def sent(client: redis.Redis) -> list[dict[str, str]]:
    """What stands on the intents stream."""
    return [{k.decode(): v.decode() for k, v in fields.items()} for _, fields in client.xrange(INTENTS)]


def marks(database: Database) -> list[str | None]:
    """What each was resubmitted as."""
    return [row["resubmitted_as"] for row in rows(database, "SELECT resubmitted_as FROM malformed_intents ORDER BY id")]


def action(database: Database) -> ActionRecord:
    """The only action."""
    [only] = list_actions(database, ActionFilter(), limit=10)
    return only


def valid(work: Resubmission, record: MalformedRecord) -> Sendable:
    verdict = work.judge_unchanged(record)
    assert isinstance(verdict, Sendable), verdict
    return verdict


def send_all(
    work: Resubmission, database: Database, on_batch: Callable[[int], None] = lambda _: None, rate: int | None = None
) -> tuple[Ended, Tally]:
    """Sends all that wait, as a page would."""
    many = plan_resubmission(database, lambda _: work, MalformedFilter(), "ann")
    return carry_out(database, many.change, rate, Hooks(on_batch, lambda _: False, lambda _: True)), many.tally
