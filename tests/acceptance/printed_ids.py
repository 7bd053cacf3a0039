"""An id of each form in which a command prints it."""

from collections.abc import Mapping

from publisher.domain.loss import LossCause
from storage.accepting.losses import record_loss
from storage.actions import begin_action
from storage.database import Database
from tests import factories
from tests.acceptance.final_routes import BURY
from tests.acceptance.malformed_intents import record_intent
from tests.acceptance.outside import PUSH, Outside
from tests.factories import INTENTS, accept, incoming


def printed_ids(database: Database, outside: Outside) -> Mapping[str, str]:
    """An id of each form: of a notification whose email route is a dead letter, and whose push route is published.

    The numbers of the records differ, so that a bare one names one thing.
    """
    fields = {"idempotency_key": "turn-17", "request_id": "req-1", "trace_id": "trace-1"}
    accept(database, INTENTS, [incoming("1773480413589-0", **fields)], [])
    outside.rows("SELECT setval(pg_get_serial_sequence('dead_letters', 'id'), 40)")
    outside.rows("SELECT setval(pg_get_serial_sequence('malformed_intents', 'id'), 50)")
    outside.rows("SELECT setval(pg_get_serial_sequence('operator_actions', 'id'), 60)")
    outside.rows("SELECT setval(pg_get_serial_sequence('intents_losses', 'id'), 70)")
    outside.rows(BURY)
    id_ = outside.row("SELECT notification_id::text AS id FROM notifications")["id"]
    outside.redis.xadd(PUSH, {"event_id": f"{id_}/push:user:7"}, id="1773480413601-0")
    outside.rows(
        "UPDATE routes SET status = 'published', dead_letter_id = NULL, dead_lettered_at = NULL, attempt_count = 0,"
        " published_at = '2026-03-14T09:26:53.612Z', stream_entry_id = '1773480413601-0' WHERE channel = 'push'"
    )
    outside.rows("DELETE FROM dead_letters WHERE channel = 'push'")
    record_intent(database, entry_id="17-1")
    repetition = factories.intent_fields(**fields)
    outside.redis.xadd(INTENTS, dict(factories.raw(repetition)), id="1773480413999-0")
    begin_action(database, "requeue-dead-letters", "ann", {}, 1)
    record_loss(database, INTENTS, LossCause.TRIMMED, "1-0", "2-0", 1)
    letter = outside.row("SELECT id FROM dead_letters")["id"]
    route = outside.row("SELECT id FROM routes WHERE channel = 'email'")["id"]
    return {
        "notification": id_,
        "in upper case": id_.upper(),
        "shortened": id_[:8],
        "shortened by a table": f"{id_[:13]}…",
        "key": "turn-17",
        "key with its producer": "game-service/turn-17",
        "key with its kind": "key:turn-17",
        "quoted": '"turn-17",',
        "intent's entry": "1773480413589-0",
        "repeated intent's entry": "1773480413999-0",
        "request": "req-1",
        "trace": "trace-1",
        "delivery": f"{id_}/email:user:7",
        "shortened delivery": f"{id_[:8]}…/email:user:7",
        "dead letter": f"dead-letter:{letter}",
        "dead letter as messages say it": f"dead letter {letter}",
        "route": f"route:{route}",
        "command": "1773480413601-0",
        "malformed": "malformed:51",
        "malformed entry": "17-1",
        "malformed as messages say it": "malformed intent 51",
        "action": "action:61",
        "action as messages say it": "(action 61)",
        "loss": "loss:71",
    }
