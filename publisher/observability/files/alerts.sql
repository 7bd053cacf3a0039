-- The alerts that PostgreSQL can tell, for those without Prometheus: `publisher observability show alerts-sql`.
--
-- Run each statement every minute. A row is an alert, with the channel where it is about one. None reads finished
-- routes. Whether processes run, and whether streams are read, is in Redis: `publisher status --json` has it in its
-- `verdict`, for PublisherWorkersGone, PublisherIntakeGone, PublisherIntakeStuck, PublisherCommandsNotRead and
-- PublisherMailStopped. That a statement fails is PublisherServerUnreadable.

-- PublisherRoutesLate, PublisherLimitSaturated
SELECT channel, min(next_attempt_at) AS due_since
FROM routes
WHERE status IN ('pending', 'failed') AND cancel_requested_at IS NULL
  AND next_attempt_at < now() - interval '2 minutes' AND (lease_expires_at > now()) IS NOT TRUE
GROUP BY channel;

-- PublisherStreamRefuses
SELECT channel, parked_at, park_reason FROM channel_gates WHERE parked_at < now() - interval '1 minute';

-- PublisherRedisLostCommands: PostgreSQL does not keep that. The workers' logs say it:
-- `route's command was lost by redis and is published again`.

-- PublisherAuditOverdue: with PUBLISHER_AUDIT_WINDOW=600, an audit every five minutes.
SELECT channel, audited_at FROM stream_audits WHERE audited_at < now() - interval '15 minutes';

-- PublisherIntentsLost
SELECT id, stream, cause, entries, noticed_at FROM intents_losses WHERE acknowledged_at IS NULL;

-- PublisherDeadLettersRising
SELECT channel, count(*) AS dead_letters
FROM dead_letters
WHERE requeued_at IS NULL AND discarded_at IS NULL AND dead_lettered_at > now() - interval '10 minutes'
GROUP BY channel;

-- PublisherMalformedRising
SELECT failure_code, count(*) AS malformed
FROM malformed_intents
WHERE resubmitted_at IS NULL AND recorded_at > now() - interval '10 minutes'
GROUP BY failure_code;

-- PublisherUnanswered: with PUBLISHER_EMAIL_ANSWER_WITHIN=3 days.
SELECT channel, min(published_at) AS since
FROM routes
WHERE status = 'published' AND answer IS NULL AND channel = 'email'
  AND published_at >= (SELECT recorded_at FROM delivery_events WHERE channel = 'email' ORDER BY id LIMIT 1)
  AND published_at < now() - interval '3 days'
GROUP BY channel;
