"""The text of logs."""
