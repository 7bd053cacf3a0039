"""The present instant in SQL."""

# By the database's clock (R5), in whole milliseconds (R2). It stays the same within a statement.
NOW = "date_trunc('milliseconds', statement_timestamp())"
