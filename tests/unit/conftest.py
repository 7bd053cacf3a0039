"""Generated examples are the same at every run: a red test is red again, and no clock decides."""

from hypothesis import settings

settings.register_profile("unit", derandomize=True, deadline=None, max_examples=30)
settings.load_profile("unit")
