"""What several commands show: verdict, snapshot, checks, readers, limits and answers."""
