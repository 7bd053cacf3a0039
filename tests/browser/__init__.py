"""The page in a real browser, Debian's Chromium: what people see of it, click and type."""
