"""A portal that creates a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.portals import PORTALS
from buildkite_orm.fake.ids import graphql_id, slug_of
from buildkite_orm.fake.times import seconds

if TYPE_CHECKING:
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.records import Json, OrganizationRecord

_MONTH = 30 * 86400.0
_NAME = "Trigger main build"
_QUERY = 'mutation {{ buildCreate(input: {{branch: "main", pipelineID: "{}"}}) {{ build {{ url }} }} }}'


def populate(context: Context, acme: OrganizationRecord) -> None:
    """Add the portal."""
    store = context.store
    pipeline = graphql_id("Pipeline", acme.pipelines["web"].id)
    data: Json = {
        "name": _NAME,
        "slug": slug_of(_NAME),
        "description": "Builds what main is now",
        "query": _QUERY.format(pipeline),
        "allowed_ip_addresses": "192.0.2.0/24 198.51.100.12/32",
        "user_invokable": False,
    }
    created_at = seconds(store.clock.now()) - _MONTH
    portal = Record(id=store.ids.uuid(), data=data, created_at=created_at, created_by=acme.users[0])
    store.collections.put(PORTALS.kind, acme.id, data["slug"], portal)
