"""The text of logs: lines, groups, plain text and HTML."""
