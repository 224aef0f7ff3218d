"""The events of webhooks, one class each."""
