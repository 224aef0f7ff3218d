"""Payloads of the records, one module per area."""
