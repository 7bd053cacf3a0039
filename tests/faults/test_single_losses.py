"""Redis loses what it had, and is away for longer than the audit looks back (R12a)."""

from pathlib import Path

import pytest

from tests.acceptance.outside import EMAIL, PUSH, users
from tests.factories import intent_fields
from tests.faults.in_process import RESUMED, problems, running, seen_outside
from tests.valkeys import OwnValkey
from tests.waiting import wait_until


@pytest.mark.parametrize("audited", [True, False], ids=["audited before", "never audited"])
def test_a_redis_that_is_back_empty_after_longer_than_the_window_costs_no_command(
    audited: bool, environ: dict[str, str], tmp_path: Path
) -> None:
    """Window 1 s, 20 commands, Redis back without data after longer than that: 20 of 20 stand again, each once."""
    valkey = OwnValkey(tmp_path / "valkey")
    environ |= {"REDIS_URL": valkey.url, "PUBLISHER_AUDIT_WINDOW": "1"}
    sent = intent_fields(recipients_json=users(10))
    try:
        with running(environ) as context, seen_outside(environ) as outside:
            outside.send(sent)
            outside.wait_for_routes(published=20)
            outside.wait_until_acknowledged()
            if audited:
                covered = "SELECT FROM stream_audits WHERE covered_to IS NOT NULL OFFSET 1"
                wait_until(lambda: context.database.rows(covered))
            else:
                outside.rows("DELETE FROM stream_audits")
            valkey.stop()
            valkey.empty()
            late = "SELECT max(published_at) < now() - interval '2 seconds' AS late FROM routes"
            wait_until(lambda: outside.row(late)["late"])
            valkey.start()

            wait_until(
                lambda: outside.redis.xlen(EMAIL) + outside.redis.xlen(PUSH) == 20,
                within=3 * RESUMED,
                describe=outside.statuses,
            )
            outside.wait_for_routes(published=20)

        assert problems(environ, sent) == []
    finally:
        valkey.stop()
