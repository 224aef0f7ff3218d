"""Helpers that the rest of the library uses."""
