"""The group of a route: its channel, lane, producer and notification type, as one number (R31).

    bits 48 to 62   the channel, hashed
    bits 46 and 47  the lane, the most urgent first
    bits 0 to 45    producer and notification type, hashed

Each route keeps it in its column group_key, and the index routes_shares holds the open routes by it. So a claim finds
the groups of a channel's lane next to each other, and jumps from one to the next however many routes each has. A number
costs each insertion a third of what four texts would. An index of the expression would have every update of a route
compare all four, and PostgreSQL 18 sets up a generated column anew for every row that it updates. Two groups of one
number are as good as impossible, and harm nothing: a claim takes from them as from one.
"""

_LANE = "(CASE lane WHEN 'urgent' THEN 0 WHEN 'bulk' THEN 2 ELSE 1 END)::bigint"

# Of a row with the columns channel, lane, producer and notification_type.
GROUP_KEY = (
    f"((hashtext(channel) & 32767)::bigint << 48) + ({_LANE} << 46)"
    " + (hashtextextended(producer || chr(10) || notification_type, 0) & 70368744177663)"
)

# How many keys a channel's lane has.
LANE_KEYS = 1 << 46


def first_key(lane: str) -> str:
    """Returns the first key of a channel's lane. lane: an SQL expression. The channel is a parameter."""
    return f"((hashtext(%(channel)s) & 32767)::bigint << 48) + ({_LANE.replace('lane', lane, 1)} << 46)"
