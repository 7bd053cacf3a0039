"""What waits for an operator, counted up to a bound."""

from publisher.domain.loss import LossCause
from storage.accepting.losses import acknowledge_loss, list_losses, record_loss
from storage.counts import outstanding
from storage.counts.outstanding import Outstanding, Waiting, read_outstanding
from storage.database import Database
from tests.acceptance.final_routes import BURY
from tests.acceptance.malformed_intents import record_intent
from tests.acceptance.outside import users
from tests.factories import INTENTS, accepted
from tests.integration.rows import execute


def test_an_empty_system_is_unused(database: Database) -> None:
    """Nothing waits, and nothing was ever sent."""
    assert read_outstanding(database) == Outstanding(is_unused=True)


def test_an_accepted_intent_is_use(database: Database) -> None:
    """Nothing waits for an operator, but something was sent: also once it is pruned."""
    accepted(database)
    assert read_outstanding(database) == Outstanding()

    execute(database, "DELETE FROM routes")
    execute(
        database,
        "WITH gone AS (DELETE FROM notifications RETURNING notification_id)"
        " INSERT INTO pruned_notifications SELECT notification_id, 'x', now() FROM gone",
    )
    assert read_outstanding(database) == Outstanding()


def test_dead_letters_of_every_channel_are_counted(database: Database) -> None:
    """With the newest of all channels; those that were requeued wait no longer."""
    accepted(database, [{"recipients_json": users(3)}])
    execute(database, BURY)
    newest = read_outstanding(database).dead_letters

    execute(
        database,
        "UPDATE dead_letters SET requeued_at = now(), requeued_by = 'ann' WHERE channel = 'push'",
    )
    rest = read_outstanding(database).dead_letters

    assert (newest.count, newest.is_bound, newest.newest) == (6, False, "push_failed")
    assert (rest.count, rest.newest) == (3, "email_failed")
    assert rest.newest_age is not None


def test_malformed_intents_are_counted_until_they_are_resubmitted(database: Database) -> None:
    """With the code of the newest."""
    record_intent(database, "unknown_channel", "1-0")
    record_intent(database, "invalid_json", "2-0")
    both = read_outstanding(database)

    execute(
        database,
        "UPDATE malformed_intents SET resubmitted_at = now(), resubmitted_by = 'ann', resubmitted_as = '3-0'"
        " WHERE stream_entry_id = '2-0'",
    )

    assert (both.malformed.count, both.malformed.newest, both.is_unused) == (2, "invalid_json", False)
    one = read_outstanding(database).malformed
    assert (one.count, one.newest) == (1, "unknown_channel")


def test_losses_are_counted_until_they_are_acknowledged(database: Database) -> None:
    """An operator who knows of a loss is not told of it again."""
    record_loss(database, INTENTS, LossCause.TRIMMED, "1-0", "9-0", 8)
    assert read_outstanding(database).losses.count == 1

    acknowledge_loss(database, list_losses(database, acknowledged=False, limit=1)[0].id, "ann")

    assert read_outstanding(database).losses == Waiting()


def test_a_count_stops_at_the_bound(database: Database) -> None:
    """It says that there may be more."""
    accepted(database, [{"recipients_json": users(3), "channels_json": ["push"]}])
    execute(database, BURY)

    found = read_outstanding(database, bound=2).dead_letters

    assert (found.count, found.is_bound) == (2, True)


def test_nothing_is_read_through(database: Database) -> None:
    """After thousands were resubmitted at once those that wait are still found by an index, and so is a first use."""
    execute(
        database,
        "INSERT INTO malformed_intents (stream, stream_entry_id, failure_code, failure_message, raw_fields,"
        " recorded_at, resubmitted_at, resubmitted_by, resubmitted_as)"
        " SELECT 's', n || '-1', 'c', 'm', '{}', now(), now(), 'ann', '3-0' FROM generate_series(1, 5000) AS n",
    )
    execute(database, "ANALYZE malformed_intents")

    waiting = plan(database, outstanding._MALFORMED)
    first = plan(database, outstanding._IS_UNUSED)

    assert "malformed_intents_waiting" in waiting
    assert "Seq Scan on malformed_intents" not in waiting + first


def plan(database: Database, sql: str) -> str:
    """How PostgreSQL runs the statement."""
    return "\n".join(line for (line,) in database.rows(f"EXPLAIN {sql}", {"bound": 100}))
