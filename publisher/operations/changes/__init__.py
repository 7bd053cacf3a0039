"""Changes of many routes: each is an action on record, in small batches, and can be resumed (R34)."""
