"""Builds, and what belongs to them: jobs of all kinds, their logs, artifacts, annotations and step uploads."""
