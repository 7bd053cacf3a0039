"""Routes brought to an end by SQL: no worker is needed, and each has its own day."""

# Every route given up, its channel's name in the classification, on 15 March and the days after, by key.
BURY = """
WITH buried AS (
    INSERT INTO dead_letters (notification_id, route_id, channel, notification_type, classification, message,
                              attempt_count, max_attempts, dead_lettered_at)
    SELECT notification_id, route_id, channel, n.notification_type, channel || '_failed', 'no such luck', max_attempts,
           max_attempts, '2026-03-14Z'::timestamptz + routes.id * interval '1 day'
    FROM routes JOIN notifications AS n ON n.id = notification_key ORDER BY routes.id
    RETURNING id, notification_id, route_id, dead_lettered_at
)
UPDATE routes
SET status = 'dead_letter', attempt_count = max_attempts, next_attempt_at = NULL, dead_letter_id = buried.id,
    dead_lettered_at = buried.dead_lettered_at
FROM buried JOIN notifications AS n USING (notification_id)
WHERE (routes.notification_key, routes.route_id) = (n.id, buried.route_id)
"""

# Every route published, on 15 March and the days after, by key.
PUBLISH = """
UPDATE routes
SET status = 'published', next_attempt_at = NULL, stream_entry_id = id || '-0',
    published_at = '2026-03-14Z'::timestamptz + id * interval '1 day'
"""
