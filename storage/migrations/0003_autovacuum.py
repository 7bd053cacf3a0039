"""When the tables are vacuumed: a queue's rows change many times, whatever share of the table they are.

Each command takes a lock that neither readers nor writers notice (SHARE UPDATE EXCLUSIVE).
"""

from typing import Any

import peewee

# routes: each published route leaves a dead row behind, and a dead entry in routes_due that claims must step over. By
# default a vacuum begins once a fifth of the table is dead: two million rows among ten million final ones.
#   vacuum_scale_factor 0.01, vacuum_threshold 5000: a hundred thousand rows among ten million, five thousand in a
#     small table: some minutes of a busy service. Not a fixed number: each vacuum reads every index whole.
#   analyze_scale_factor 0.02, analyze_threshold 5000: a backlog shows in the planner's statistics, and in estimated
#     counts, while it is one; by default once a tenth of the table has changed.
#   vacuum_cost_limit 1000: five times the default pace, so that the indexes of a large table are through in seconds
#     and not in minutes, while claims walk over what is not cleared yet. Still paced.
#
# notifications, pruned_notifications: written once, then pruned at the old end, where each pruning begins. By default
# entries of days stay there to be stepped over.
#   vacuum_scale_factor 0.02, vacuum_threshold 1000: half a day's pruning where thirty days are kept.
SETTINGS = """
ALTER TABLE routes SET (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_analyze_threshold = 5000,
    autovacuum_vacuum_cost_limit = 1000
);
ALTER TABLE notifications SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE pruned_notifications SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
"""

RESET = """
ALTER TABLE routes RESET (
    autovacuum_vacuum_scale_factor,
    autovacuum_vacuum_threshold,
    autovacuum_analyze_scale_factor,
    autovacuum_analyze_threshold,
    autovacuum_vacuum_cost_limit
);
ALTER TABLE notifications RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE pruned_notifications RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
"""


def up(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Sets them."""
    db.execute_sql(SETTINGS)


def down(migrator: Any, db: peewee.PostgresqlDatabase) -> None:
    """Back to the server's own."""
    db.execute_sql(RESET)
