"""Who may see and do what on the page: tokens, sessions, the origin of a change, and the headers of each answer."""
