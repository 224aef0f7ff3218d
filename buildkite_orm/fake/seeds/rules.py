"""Rules: `api` may trigger `docs`, and `deploy` may read the artifacts of `web`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.rules import RULES
from buildkite_orm.fake.times import seconds

if TYPE_CHECKING:
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.records import OrganizationRecord

_WEEK = 7 * 86400.0
_RULES = (("pipeline.trigger_build.pipeline", "api", "docs"), ("pipeline.artifacts_read.pipeline", "deploy", "web"))


def populate(context: Context, acme: OrganizationRecord) -> None:
    """Add the rules."""
    store = context.store
    created_at = seconds(store.clock.now()) - _WEEK
    for kind, source, target in _RULES:
        data = {"type": kind, "source_uuid": acme.pipelines[source].id, "target_uuid": acme.pipelines[target].id}
        rule = Record(id=store.ids.uuid(), data=data, created_at=created_at, created_by=acme.users[0])
        store.collections.put(RULES.kind, acme.id, rule.id, rule)
