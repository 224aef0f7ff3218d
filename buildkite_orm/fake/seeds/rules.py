"""Rules: `api` may trigger `docs`, and `deploy` may read what `web` has packaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.rules import RULES
from buildkite_orm.fake.times import seconds

if TYPE_CHECKING:
    from buildkite_orm.fake.records import OrganizationRecord
    from buildkite_orm.fake.store import Store

_WEEK = 7 * 86400.0
_RULES = (("pipeline.trigger_build.pipeline", "api", "docs"), ("pipeline.artifacts_read.pipeline", "deploy", "web"))


def populate(store: Store, acme: OrganizationRecord) -> None:
    """Add the rules."""
    created_at = seconds(store.clock.now()) - _WEEK
    for kind, source, target in _RULES:
        data = {"type": kind, "source_uuid": acme.pipelines[source].id, "target_uuid": acme.pipelines[target].id}
        rule = Record(id=store.ids.uuid(), data=data, created_at=created_at, created_by=acme.users[0])
        store.shelves.put(RULES.kind, acme.id, rule.id, rule)
