"""Clusters, and what belongs to them: queues, agent tokens, secrets, maintainers, agent images, cache volumes."""
