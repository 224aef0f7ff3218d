"""Teams with their members, pipelines and suites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.teams import EVERYONE, MEMBERS, PIPELINES, SUITES, TEAMS
from buildkite_orm.fake.times import seconds

if TYPE_CHECKING:
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.handlers.teams import TeamLinks
    from buildkite_orm.fake.records import Json, OrganizationRecord
    from buildkite_orm.fake.store import Store

AFTER = ("test_engine",)
_YEAR = 365 * 86400.0
_TEAMS: tuple[tuple[Json, dict[str, str]], ...] = (
    ({}, {}),
    (
        {"name": "Fearless Frontenders", "description": "The web and its looks", "is_default_team": False},
        {"web": "manage_build_and_read", "docs": "build_and_read"},
    ),
    (
        {
            "name": "Release Engineers",
            "description": "",
            "privacy": "secret",
            "is_default_team": False,
            "members_can_create_registries": True,
        },
        {"deploy": "manage_build_and_read", "infra": "read_only"},
    ),
)


def populate(context: Context, acme: OrganizationRecord) -> None:
    """Add a team of all members, and two smaller ones; the suites must exist."""
    store = context.store
    acme.teams_enabled = True
    for place, (fields, levels) in enumerate(_TEAMS):
        team = _new_record(store, acme, {**EVERYONE, **fields})
        store.collections.put(TEAMS.kind, acme.id, team.id, team)
        for user in acme.users[place:]:
            _link(store, acme, MEMBERS, team, user.id, role="maintainer" if user is acme.users[place] else "member")
        for slug, level in levels.items():
            _link(store, acme, PIPELINES, team, acme.pipelines[slug].id, access_level=level)
        for suite in store.collections.of("suite", acme.id).values() if "web" in levels else ():
            _link(store, acme, SUITES, team, suite.id, access_level=["read", "edit"])


def _link(store: Store, acme: OrganizationRecord, links: TeamLinks, team: Record, target: str, **data: object) -> None:
    store.collections.put(links.kind, team.id, target, _new_record(store, acme, {links.key: target, **data}))


def _new_record(store: Store, acme: OrganizationRecord, data: Json) -> Record:
    created_at = seconds(store.clock.now()) - _YEAR
    return Record(id=store.ids.uuid(), data=data, created_at=created_at, created_by=acme.users[0])
