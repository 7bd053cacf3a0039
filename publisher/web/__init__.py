"""The page of the service, and its door over HTTP: one process, `publisher web`.

A page shows values of `publisher.operations` and calls its actions: it counts, decides and words nothing by itself.
"""
