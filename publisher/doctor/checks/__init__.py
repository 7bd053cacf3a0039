"""The checks, a module for each server asked. A new check is one more name and function in its module."""
