"""State in PostgreSQL: the only place with SQL. Every transition is guarded, and says whether it happened."""
