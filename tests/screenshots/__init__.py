"""Makes the guide's pictures of the page, on which an afternoon goes wrong: `python -m tests.screenshots`."""
