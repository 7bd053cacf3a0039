-- The alerts that PostgreSQL can tell, for those without Prometheus: `publisher observability show alerts-sql`.
--
-- Run each statement every minute, as a role that may read these tables. A row is an alert, with the channel where it
-- is about one. Each costs milliseconds, whatever the number of routes. Whether processes run, and whether streams are
-- read, is in Redis: `publisher status --json` has it in its `verdict`, for PublisherWorkersGone, PublisherIntakeGone,
-- PublisherIntakeStuck, PublisherCommandsNotRead and PublisherMailStopped. That a statement fails is
-- PublisherServerUnreadable.

-- PublisherRoutesLate, PublisherLimitSaturated: not of a channel that is paused, parked or held. For each channel with
-- open routes one step along the index routes_due.
WITH RECURSIVE open_channels (channel) AS (
  (SELECT channel FROM routes WHERE status IN ('pending', 'failed') ORDER BY channel LIMIT 1)
  UNION ALL
  SELECT (
    SELECT r.channel FROM routes AS r
    WHERE r.status IN ('pending', 'failed') AND r.channel > c.channel ORDER BY r.channel LIMIT 1
  )
  FROM open_channels AS c WHERE c.channel IS NOT NULL
)
SELECT c.channel, late.next_attempt_at AS due_since
FROM open_channels AS c
CROSS JOIN LATERAL (
  SELECT r.next_attempt_at FROM routes AS r
  WHERE r.channel = c.channel AND r.status IN ('pending', 'failed') AND r.cancel_requested_at IS NULL
    AND r.next_attempt_at < now() - interval '2 minutes' AND (r.lease_expires_at > now()) IS NOT TRUE
  ORDER BY r.next_attempt_at LIMIT 1
) AS late
WHERE NOT EXISTS (
    SELECT FROM channel_gates AS g WHERE g.channel = c.channel AND (g.paused_at IS NOT NULL OR g.parked_at IS NOT NULL)
  )
  AND NOT EXISTS (SELECT FROM holds AS h WHERE h.channel IS NULL OR h.channel = c.channel);

-- PublisherStreamRefuses
SELECT g.channel, g.parked_at, g.park_reason
FROM channel_gates AS g
WHERE g.paused_at IS NULL AND g.parked_at < now() - interval '1 minute'
  AND EXISTS (SELECT FROM routes AS r WHERE r.channel = g.channel AND r.status IN ('pending', 'failed'));

-- PublisherRedisLostCommands: PostgreSQL does not keep that. The workers' logs say it:
-- `route's command was lost by redis and is published again`.

-- PublisherAuditOverdue: with PUBLISHER_AUDIT_WINDOW=600, an audit every five minutes. With 0 leave it out.
SELECT a.channel, nullif(a.audited_at, 'epoch') AS audited_at
FROM stream_audits AS a
WHERE a.audited_at < now() - interval '15 minutes'
  AND EXISTS (
    SELECT FROM routes AS r
    WHERE r.channel = a.channel AND r.status = 'published'
      AND r.published_at > coalesce(a.covered_to, a.audited_at) AND r.published_at < now() - interval '15 minutes'
  );

-- PublisherIntentsLost
SELECT id, stream, cause, entries, noticed_at FROM intents_losses WHERE acknowledged_at IS NULL;

-- PublisherDeadLettersRising: among the last 10,000.
SELECT channel, count(*) AS dead_letters
FROM (SELECT * FROM dead_letters ORDER BY id DESC LIMIT 10000) AS newest
WHERE requeued_at IS NULL AND discarded_at IS NULL AND dead_lettered_at > now() - interval '10 minutes'
GROUP BY channel;

-- PublisherMalformedRising: among the last 10,000.
SELECT failure_code, count(*) AS malformed
FROM (SELECT * FROM malformed_intents ORDER BY id DESC LIMIT 10000) AS newest
WHERE resubmitted_at IS NULL AND recorded_at > now() - interval '10 minutes'
GROUP BY failure_code;

-- PublisherUnanswered: with PUBLISHER_EMAIL_ANSWER_WITHIN=3 days.
SELECT channel, published_at AS since
FROM routes
WHERE status = 'published' AND answer IS NULL AND channel = 'email'
  AND published_at >= (SELECT recorded_at FROM delivery_events WHERE channel = 'email' ORDER BY id LIMIT 1)
  AND published_at < now() - interval '3 days'
ORDER BY published_at LIMIT 1;
