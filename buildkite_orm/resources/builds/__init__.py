"""Builds, and their resources: jobs of all kinds, their logs, artifacts, annotations and step uploads."""
