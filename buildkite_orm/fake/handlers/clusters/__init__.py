"""Clusters, and what belongs to them."""

from __future__ import annotations

from buildkite_orm.fake.handlers.clusters import agent_tokens, cluster, hosted, queues, secrets

ROUTES = (*cluster.ROUTES, *queues.ROUTES, *agent_tokens.ROUTES, *secrets.ROUTES, *hosted.ROUTES)
