"""Clusters, and their resources: queues, agent tokens, secrets, maintainers, agent images, cache volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.utils.lazy import lazy_modules

if TYPE_CHECKING:
    from buildkite_orm.resources.clusters.agent_image import *
    from buildkite_orm.resources.clusters.agent_token import *
    from buildkite_orm.resources.clusters.cache_volume import *
    from buildkite_orm.resources.clusters.cluster import *
    from buildkite_orm.resources.clusters.maintainer import *
    from buildkite_orm.resources.clusters.network_range import *
    from buildkite_orm.resources.clusters.queue import *
    from buildkite_orm.resources.clusters.secret import *
else:
    __getattr__, __dir__ = lazy_modules(__name__)
