"""Package registries for gems, Debian packages and files, with packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.content import Content
from buildkite_orm.fake.handlers.packages.packages import PACKAGES, packaged, put_package
from buildkite_orm.fake.handlers.packages.registries import NEW_REGISTRY, REGISTRIES
from buildkite_orm.fake.handlers.packages.tokens import TOKENS
from buildkite_orm.fake.ids import slug_of
from buildkite_orm.fake.times import seconds
from buildkite_orm.fake.uploads import Upload

if TYPE_CHECKING:
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.records import Json, OrganizationRecord
    from buildkite_orm.fake.store import Store

AFTER = ("teams",)
_DAY = 86400.0
_POLICY = [
    {
        "iss": "https://agent.buildkite.com",
        "scopes": ["read_packages", "write_packages"],
        "claims": {"organization_slug": "acme", "pipeline_slug": {"in": ["web", "deploy"]}},
    }
]
_REGISTRIES: tuple[tuple[Json, tuple[str, ...]], ...] = (
    (
        {"name": "Gems", "ecosystem": "ruby", "description": "What our services share", "emoji": ":ruby:"},
        ("acme-auth-2.1.0.gem", "acme-auth-2.2.0.gem", "acme-metrics-0.9.1.gem"),
    ),
    (
        {"name": "Debian packages", "ecosystem": "debian", "color": "#F0CCFF", "oidc_policy": _POLICY},
        ("banana_1.0-1_amd64.deb", "banana_1.1-2_amd64.deb", "grapes_2.8.3-1_all.deb"),
    ),
    ({"name": "Files", "ecosystem": "files", "public": True}, ("hello-1.0.0.txt", "acme-cli-3.0.0-beta.1.tar.gz")),
)


def populate(context: Context, acme: OrganizationRecord) -> None:
    """Add the registries, for the first team if there are teams."""
    store = context.store
    teams = list(store.collections.of("team", acme.id))[:1]
    for fields, filenames in _REGISTRIES:
        slug = slug_of(fields["name"])
        registry = _new_record(store, acme, {**NEW_REGISTRY, **fields, "slug": slug, "team_ids": teams}, age=90)
        store.collections.put(REGISTRIES.kind, acme.id, slug, registry)
        token = _new_record(store, acme, {"description": f"{fields['name']}, for our servers"}, age=80)
        store.collections.put(TOKENS.kind, registry.id, token.id, token)
        for place, filename in enumerate(filenames):
            package = _new_record(store, acme, packaged(registry, _content(filename)), age=40 - place)
            put_package(store.collections.of(PACKAGES.kind, registry.id), package)


def _content(filename: str) -> Json:
    upload = Upload(filename)
    for piece in Content(4096 + len(filename), filename).read():
        upload.write(piece)
    return upload.content


def _new_record(store: Store, acme: OrganizationRecord, data: Json, *, age: int) -> Record:
    created_at = seconds(store.clock.now()) - age * _DAY
    return Record(id=store.ids.uuid(), data=data, created_at=created_at, created_by=acme.users[0])
