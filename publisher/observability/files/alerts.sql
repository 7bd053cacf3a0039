-- The alerts that PostgreSQL can tell, for those without Prometheus: `publisher observability show alerts-sql`.
--
-- Run them every minute, as a role that may read these tables:
-- `psql "$DATABASE_URL" --tuples-only --no-align --file alerts.sql`. A row is an alert that fires: its name, its
-- severity, the channel where it is about one, and what was found. Each statement costs milliseconds, whatever the
-- number of routes. That one fails is PublisherServerUnreadable.
--
-- Whether processes run, and whether streams are read, is in Redis: `publisher status --json` has it in its `verdict`,
-- for PublisherWorkersGone, PublisherIntakeGone, PublisherIntakeStuck, PublisherCommandsNotRead,
-- PublisherStreamGivenUp and PublisherMailStopped. PublisherRedisLostCommands is in the workers' logs alone:
-- `route's command was lost by redis and is published again`.

-- Where a channel has a rate limit it may be PublisherLimitSaturated, and where the workers lack its package,
-- PublisherChannelNotInstalled. Not of a channel that is paused, parked or held.
-- For each channel with open routes one step along the index routes_due.
WITH RECURSIVE open_channels (channel) AS (
  (SELECT channel FROM routes WHERE status IN ('pending', 'failed') ORDER BY channel LIMIT 1)
  UNION ALL
  SELECT (
    SELECT r.channel FROM routes AS r
    WHERE r.status IN ('pending', 'failed') AND r.channel > c.channel ORDER BY r.channel LIMIT 1
  )
  FROM open_channels AS c WHERE c.channel IS NOT NULL
)
SELECT 'PublisherRoutesLate' AS alert, 'page' AS severity, c.channel, 'due since ' || late.next_attempt_at AS found
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

SELECT 'PublisherStreamRefuses' AS alert, 'page' AS severity, g.channel, g.park_reason AS found
FROM channel_gates AS g
WHERE g.paused_at IS NULL AND g.parked_at < now() - interval '1 minute'
  AND EXISTS (SELECT FROM routes AS r WHERE r.channel = g.channel AND r.status IN ('pending', 'failed'));

-- With PUBLISHER_AUDIT_WINDOW=600, an audit every five minutes. With 0 leave it out.
SELECT 'PublisherAuditOverdue' AS alert, 'ticket' AS severity, a.channel,
       coalesce('last audited ' || nullif(a.audited_at, 'epoch'), 'never audited') AS found
FROM stream_audits AS a
WHERE a.audited_at < now() - interval '15 minutes'
  AND EXISTS (
    SELECT FROM routes AS r
    WHERE r.channel = a.channel AND r.status = 'published'
      AND r.published_at > coalesce(a.covered_to, a.audited_at) AND r.published_at < now() - interval '15 minutes'
  );

SELECT 'PublisherIntentsLost' AS alert, 'page' AS severity, NULL AS channel, 'loss ' || id || ' of ' || stream AS found
FROM intents_losses
WHERE acknowledged_at IS NULL;

-- Among the last 10,000.
SELECT 'PublisherDeadLettersRising' AS alert, 'ticket' AS severity, channel, count(*) || ' within 10 minutes' AS found
FROM (SELECT * FROM dead_letters ORDER BY id DESC LIMIT 10000) AS newest
WHERE requeued_at IS NULL AND discarded_at IS NULL AND dead_lettered_at > now() - interval '10 minutes'
GROUP BY channel;

-- Among the last 10,000.
SELECT 'PublisherMalformedRising' AS alert, 'ticket' AS severity, NULL AS channel,
       failure_code || ': ' || count(*) || ' within 10 minutes' AS found
FROM (SELECT * FROM malformed_intents ORDER BY id DESC LIMIT 10000) AS newest
WHERE resubmitted_at IS NULL AND recorded_at > now() - interval '10 minutes'
GROUP BY failure_code;

SELECT 'PublisherMailHeld' AS alert, 'ticket' AS severity, NULL AS channel, 'the first since ' || held_at AS found
FROM mail_deliveries
WHERE held_at IS NOT NULL
ORDER BY held_at LIMIT 1;

-- With PUBLISHER_EMAIL_ANSWER_WITHIN=259200, three days. Once more for each other channel that expects answers.
SELECT 'PublisherUnanswered' AS alert, 'ticket' AS severity, channel, 'the first of ' || published_at AS found
FROM routes
WHERE status = 'published' AND answer IS NULL AND channel = 'email'
  AND published_at >= (SELECT recorded_at FROM delivery_events WHERE channel = 'email' ORDER BY id LIMIT 1)
  AND published_at < now() - interval '3 days'
ORDER BY published_at LIMIT 1;
