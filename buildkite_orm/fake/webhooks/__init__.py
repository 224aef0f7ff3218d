"""Outgoing webhooks, as the documentation describes them: payloads, signatures and deliveries."""
