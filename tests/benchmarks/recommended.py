"""The settings that the guide on sizing names for each rate. The benchmark of rates runs with them."""

RATES = (10, 300, 3_000)
# What differs from the defaults, by notifications a second.
SETTINGS: dict[int, dict[str, str]] = {
    10: {},
    300: {
        "PUBLISHER_RETENTION": "604800",
        "PUBLISHER_KEY_RETENTION": "2592000",
        "PUBLISHER_EMAIL_STREAM_RETENTION": "3600",
        "PUBLISHER_PUSH_STREAM_RETENTION": "3600",
        "PUBLISHER_EMAIL_STREAM_CEILING": "200000",
        "PUBLISHER_PUSH_STREAM_CEILING": "200000",
    },
    3_000: {
        "PUBLISHER_RETENTION": "86400",
        "PUBLISHER_KEY_RETENTION": "86400",
        "PUBLISHER_EMAIL_STREAM_RETENTION": "600",
        "PUBLISHER_PUSH_STREAM_RETENTION": "600",
        "PUBLISHER_EMAIL_STREAM_CEILING": "2000000",
        "PUBLISHER_PUSH_STREAM_CEILING": "2000000",
    },
}
# Of PostgreSQL, where its own defaults are not enough.
POSTGRESQL: dict[int, dict[str, str]] = {
    10: {},
    300: {"max_wal_size": "4GB"},
    3_000: {"max_wal_size": "32GB", "checkpoint_timeout": "15min"},
}
