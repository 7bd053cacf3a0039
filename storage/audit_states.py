"""How far the loss audits have come, for `status` and `doctor`. Nothing here changes anything."""

from collections.abc import Collection

from publisher.domain.diagnosis.loss_audit import AuditState
from storage.database import Database

# For each channel one step into the index routes_published: the first route behind what the last audit covered. An
# audit of the release before kept audited_at alone, which is 'epoch' before the first audit.
_STATES = """
SELECT asked.channel, nullif(a.audited_at, 'epoch'), statement_timestamp() - nullif(a.audited_at, 'epoch'),
       statement_timestamp() - (
           SELECT min(published_at) FROM routes AS r
           WHERE r.channel = asked.channel AND r.status = 'published'
             AND r.published_at > coalesce(a.covered_to, a.audited_at, '-infinity')
       )
FROM unnest(%s::text[]) AS asked (channel) LEFT JOIN stream_audits AS a USING (channel)
ORDER BY 1
"""


def audit_states(database: Database, channels: Collection[str]) -> dict[str, AuditState]:
    """How far the audits of each of these channels have come, by channel."""
    return {row[0]: AuditState(*row) for row in database.rows(_STATES, [list(channels)])}
