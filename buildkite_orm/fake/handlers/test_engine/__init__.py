"""Test Engine: suites, their runs and their tests."""
