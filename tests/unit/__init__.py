"""Functions and classes by themselves: values in, values out, without a server."""
