"""Teams: whom they have, and which pipelines and suites they reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.teams import EVERYONE, MEMBERS, PIPELINES, SUITES, TEAMS
from buildkite_orm.fake.times import seconds

if TYPE_CHECKING:
    from buildkite_orm.fake.handlers.teams import Ties
    from buildkite_orm.fake.records import Json, OrganizationRecord
    from buildkite_orm.fake.store import Store

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


def populate(store: Store, acme: OrganizationRecord) -> None:
    """Add a team of everyone, and two of some; the suites must be there already."""
    acme.teams_enabled = True
    for place, (fields, levels) in enumerate(_TEAMS):
        team = _made(store, acme, {**EVERYONE, **fields})
        store.shelves.put(TEAMS.kind, acme.id, team.id, team)
        for user in acme.users[place:]:
            _tie(store, acme, MEMBERS, team, user.id, role="maintainer" if user is acme.users[place] else "member")
        for slug, level in levels.items():
            _tie(store, acme, PIPELINES, team, acme.pipelines[slug].id, access_level=level)
        for suite in store.shelves.of("suite", acme.id).values() if "web" in levels else ():
            _tie(store, acme, SUITES, team, suite.id, access_level=["read", "edit"])


def _tie(store: Store, acme: OrganizationRecord, ties: Ties, team: Record, target: str, **said: object) -> None:
    store.shelves.put(ties.kind, team.id, target, _made(store, acme, {ties.key: target, **said}))


def _made(store: Store, acme: OrganizationRecord, data: Json) -> Record:
    created_at = seconds(store.clock.now()) - _YEAR
    return Record(id=store.ids.uuid(), data=data, created_at=created_at, created_by=acme.users[0])
