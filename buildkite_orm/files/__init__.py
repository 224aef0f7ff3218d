"""Artifacts and logs as streams and as files."""
