"""Reads what mail servers and providers report about a delivery. Pure: bytes in, values out, and nothing is raised."""
