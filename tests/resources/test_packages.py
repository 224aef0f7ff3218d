"""Package registries, their tokens, and the packages in them; how packages get there is another module's."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import ConnectionFailedError, NotFoundError, PermissionDeniedError, UnprocessableEntityError
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.teams import EVERYONE, TEAMS
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.resources.packages.package import Package
from buildkite_orm.resources.packages.registry import Registry, RegistryRef
from buildkite_orm.resources.packages.token import RegistryToken
from tests.conftest import unlimited

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, OrganizationRef
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

REGISTRIES_AT = "/v2/packages/organizations/acme/registries"
FILES_AT = f"{REGISTRIES_AT}/files"
POLICY: Any = [
    {
        "iss": "https://agent.buildkite.com",
        "claims": {"organization_slug": "acme", "pipeline_slug": {"in": ["web", "deploy"]}},
    }
]


@pytest.fixture
def org(bk: Buildkite) -> OrganizationRef:
    return bk.organization("acme")


@pytest.fixture
def files(server: FakeBuildkite, org: OrganizationRef) -> Registry:
    """A registry of files, for a team."""
    return org.registries().create(name="Files", ecosystem="files", team_ids=[add_team(server)])


def add(registry: RegistryRef, filename: str = "app-1.0.0.zip") -> Package:
    return registry.packages().publish(BytesIO(filename.encode()), filename=filename)


def add_team(server: FakeBuildkite) -> str:
    team = Record(id=server.store.ids.uuid(), data=dict(EVERYONE), created_at=0.0)
    return server.store.collections.put(TEAMS.kind, server.store.organizations["acme"].id, team.id, team).id


# -- registries


def test_a_registry_is_created_with_the_given_fields_only(org: OrganizationRef, sent: Sent) -> None:
    registry = org.registries().create(name="My Gems", ecosystem="ruby")
    assert sent() == (f"POST {REGISTRIES_AT}", {"name": "My Gems", "ecosystem": "ruby"})
    assert (registry.slug, registry.ecosystem, registry.public, registry.team_ids) == ("my-gems", "ruby", False, [])
    assert repr(registry) == "Registry(my-gems, ruby)"


def test_a_registry_is_created_with_every_field(
    server: FakeBuildkite, org: OrganizationRef, sent: Sent, costs: Costs
) -> None:
    fields: Any = {
        "name": "Gems",
        "ecosystem": "ruby",
        "team_ids": [add_team(server)],
        "description": "What we share",
        "emoji": ":ruby:",
        "color": "#F0CCFF",
        "oidc_policy": POLICY,
    }
    with costs(1):
        registry = org.registries().create(**fields)
    assert sent() == (f"POST {REGISTRIES_AT}", fields)
    stored = fields | {"oidc_policy": json.dumps(POLICY)}
    assert {name: getattr(registry.reload(), name) for name in fields} == stored


def test_registries_are_listed_and_got(org: OrganizationRef, files: Registry, sent: Sent, costs: Costs) -> None:
    with costs(2):
        assert list(org.registries()) == [files]
        assert org.registry("files").fetch() == files
    assert sent() == (f"GET {FILES_AT}", None)


def test_a_registry_is_updated(files: Registry, sent: Sent, costs: Costs) -> None:
    changes: Any = {"name": "Files", "description": "Ours", "oidc_policy": POLICY}
    with costs(1):
        assert files.update(**changes) is files
    assert sent() == (f"POST {FILES_AT}", changes)
    assert (files.description, files.oidc_policy) == ("Ours", json.dumps(POLICY))


@pytest.mark.parametrize("value", [None, "", "Ours"])
@pytest.mark.parametrize("field", ["description", "oidc_policy"])
def test_unset_null_and_empty_are_distinguished(
    org: OrganizationRef, sent: Sent, field: str, value: str | None
) -> None:
    registry = org.registries().create(name="Files", ecosystem="files", description="Before", oidc_policy="- iss: x")
    setattr(registry, field, value)
    registry.save()
    assert sent() == (f"POST {FILES_AT}", {field: value})
    others = {"description": "Before", "oidc_policy": "- iss: x"} | {field: value}
    assert {name: getattr(registry.reload(), name) for name in others} == others


@pytest.mark.parametrize("value", [None, ""])
def test_null_and_empty_are_sent_for_a_new_one(org: OrganizationRef, sent: Sent, value: str | None) -> None:
    fields: Any = {"name": "Files", "ecosystem": "files"} | dict.fromkeys(
        ("description", "emoji", "color", "oidc_policy"), value
    )
    registry = org.registries().create(**fields, team_ids=[])
    assert sent() == (f"POST {REGISTRIES_AT}", {**fields, "team_ids": []})
    assert registry.dump().items() >= fields.items()
    registry.update(oidc_policy=[])
    assert sent() == (f"POST {FILES_AT}", {"oidc_policy": []})


def test_a_policy_is_received_as_text_and_saved_as_a_list(files: Registry, sent: Sent) -> None:
    files.update(oidc_policy=POLICY)
    assert isinstance(files.oidc_policy, str)
    policy = json.loads(files.oidc_policy)
    files.oidc_policy = [{**policy[0], "scopes": ["read_packages"]}]
    files.save()
    assert sent()[1] == {"oidc_policy": [{**POLICY[0], "scopes": ["read_packages"]}]}


def test_another_name_is_another_slug(org: OrganizationRef, files: Registry, sent: Sent) -> None:
    package = add(files)
    files.name = "Archives"
    files.save()
    assert sent() == (f"POST {FILES_AT}", {"name": "Archives"})
    assert files == org.registry("archives")
    assert files.packages().one().id == package.id
    with pytest.raises(NotFoundError, match="No registry found"):
        org.registry("files").fetch()


def test_a_registry_is_deleted_with_its_packages(
    org: OrganizationRef, files: Registry, sent: Sent, costs: Costs
) -> None:
    package, token = add(files), files.tokens().create(description="Usher")
    with costs(1):
        files.delete()
    assert sent() == (f"DELETE {FILES_AT}", None)
    assert list(org.registries()) == []
    org.registries().create(name="Files", ecosystem="files")
    for gone in (package.reload, token.reload):
        with pytest.raises(NotFoundError, match="found"):
            gone()


CANNOT_BE: list[dict[str, Any]] = [
    {"name": ""},
    {"name": "..."},
    {"name": "Taken"},
    {"ecosystem": ""},
    {"color": "blue"},
    {"oidc_policy": [{"claims": {}}]},
    {"team_ids": ["unknown"]},
]


@pytest.mark.parametrize("fields", CANNOT_BE)
def test_a_registry_that_cannot_be_is_not_created(org: OrganizationRef, fields: Any) -> None:
    org.registries().create(name="Taken", ecosystem="ruby")
    create: Any = org.registries().create
    with pytest.raises(UnprocessableEntityError, match="alidation"):
        create(**{"name": "Files", "ecosystem": "files", **fields})
    assert [each.name for each in org.registries()] == ["Taken"]


def test_with_teams_some_must_be_named(server: FakeBuildkite, org: OrganizationRef) -> None:
    team_id, server.store.organizations["acme"].teams_enabled = add_team(server), True
    with pytest.raises(UnprocessableEntityError, match="team_ids"):
        org.registries().create(name="Files", ecosystem="files")
    files = org.registries().create(name="Files", ecosystem="files", team_ids=[team_id])
    org.team(team_id).delete()
    assert files.reload().team_ids == []


def test_misspelt_fields_and_those_of_the_server_are_refused(files: Registry) -> None:
    with pytest.raises(TypeError, match="emoji"):
        files.update(emoji=":ruby:")  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="public"):
        files.public = True


# -- tokens


def test_a_token_is_created_and_its_secret_is_returned_once(files: Registry, sent: Sent, costs: Costs) -> None:
    with costs(1):
        token = files.tokens().create(description="Usher")
    assert sent() == (f"POST {FILES_AT}/tokens", {"description": "Usher"})
    assert token.token is not None
    assert token.token not in f"{token!r} {token} {token.embedded_registry!r}"
    assert token.reload().token is None
    assert files.tokens().one().token is None


def test_tokens_are_listed_and_fetched_and_name_their_parent(files: Registry, sent: Sent, costs: Costs) -> None:
    usher, busta = (files.tokens().create(description=name) for name in ("Usher", "Busta"))
    with costs(2):
        assert list(files.tokens()) == [usher, busta]
        assert files.token(busta.id).fetch() == busta
    assert sent() == (f"GET {FILES_AT}/tokens/{busta.id}", None)
    assert (busta.registry, busta.organization) == (files, files.organization)
    assert busta.embedded_registry is not None
    assert busta.embedded_organization is not None
    assert (busta.embedded_registry.id, busta.embedded_organization.slug) == (files.id, "acme")
    assert str(busta.created_by) == "Ada Lovelace"


def test_a_token_is_updated_and_deleted(files: Registry, sent: Sent, costs: Costs) -> None:
    token = files.tokens().create(description="Usher")
    with costs(2):
        assert token.update(description="Busta") is token
        assert sent() == (f"POST {FILES_AT}/tokens/{token.id}", {"description": "Busta"})
        token.description = "Eminem"
        token.save()
    assert sent() == (f"POST {FILES_AT}/tokens/{token.id}", {"description": "Eminem"})
    with costs(1):
        token.delete()
    assert sent() == (f"DELETE {FILES_AT}/tokens/{token.id}", None)
    with pytest.raises(NotFoundError, match="No registry token found"):
        token.reload()


def test_a_token_needs_a_description(files: Registry) -> None:
    for operation in (files.tokens().create, files.tokens().create(description="Usher").update):
        with pytest.raises(UnprocessableEntityError, match="description"):
            operation(description="")


# -- packages


def test_packages_are_listed_newest_first_by_name_and_page_by_page(files: Registry, sent: Sent, costs: Costs) -> None:
    for number in range(5):
        add(files, f"app-1.{number}.0.zip")
    add(files, "cli-2.8.3.tar.gz")
    with costs(3):
        assert [each.version for each in files.packages().per_page(2)] == [
            "2.8.3", "1.4.0", "1.3.0", "1.2.0", "1.1.0", "1.0.0"
        ]  # fmt: skip
    assert sent()[0].startswith(f"GET {FILES_AT}/packages?after=")
    with costs(1):
        (cli,) = files.packages(name="cli")
    assert sent() == (f"GET {FILES_AT}/packages?name=cli&per_page=100", None)
    assert repr(cli) == "Package(cli, 2.8.3)"
    assert cli.created_at is not None
    assert list(files.packages().filter(name="none")) == []


def test_packages_published_or_deleted_meanwhile_move_no_page(files: Registry) -> None:
    made = [add(files, f"app-1.{number}.0.zip") for number in range(6)]
    seen: list[Package] = []
    for place, package in enumerate(files.packages().per_page(2).iterator()):
        seen.append(package)
        if place == 1:
            add(files, "late-1.0.0.zip")
            package.delete()
            made[0].delete()
    assert seen == made[:0:-1]


def test_a_package_is_fetched_and_names_its_registry(files: Registry, sent: Sent, costs: Costs) -> None:
    package = add(files)
    with costs(2):
        assert files.package(package.id).fetch() == files.packages()[0] == package
        assert sent() == (f"GET {FILES_AT}/packages?per_page=100", None)
    assert (package.registry, package.organization) == (files, files.organization)
    assert (package.embedded_registry, package.embedded_organization) != (None, None)
    with pytest.raises(TypeError, match="no numbered pages"):
        files.packages().page(2)


def test_a_package_is_deleted(files: Registry, sent: Sent, costs: Costs) -> None:
    package = add(files)
    with costs(1):
        package.delete()
    assert sent() == (f"DELETE {FILES_AT}/packages/{package.id}", None)
    assert list(files.packages()) == []
    with pytest.raises(NotFoundError, match="No package found"):
        package.delete()


@pytest.mark.parametrize("way", ["object", "ref", "slug"])
def test_a_package_is_copied_to_another_registry(
    org: OrganizationRef, files: Registry, sent: Sent, costs: Costs, way: str
) -> None:
    package, archive = add(files), org.registries().create(name="Archive", ecosystem="files")
    target: Any = {"object": archive, "ref": org.registry("archive"), "slug": "archive"}[way]
    with costs(1):
        copied = package.copy_to(target)
    assert sent() == (f"POST {FILES_AT}/packages/{package.id}/copy?to=archive", None)
    assert (copied.registry, copied.name, copied.digests) == (archive, "app", package.digests)
    assert list(archive.packages()) == [copied]
    assert list(files.packages()) == [package]


def test_a_package_is_not_copied_to_a_registry_that_cannot_contain_it(
    bk: Buildkite, org: OrganizationRef, files: Registry
) -> None:
    package = add(files)
    org.registries().create(name="Gems", ecosystem="ruby")
    with pytest.raises(UnprocessableEntityError, match="another ecosystem"):
        package.copy_to("gems")
    with pytest.raises(NotFoundError, match="No destination registry found"):
        package.copy_to("nowhere")
    with pytest.raises(ValueError, match="another organization"):
        package.copy_to(bk.organization("other").registry("files"))
    charts = org.registries().create(name="Charts", ecosystem="helm")
    with pytest.raises(UnprocessableEntityError, match="cannot be copied"):
        add(charts, "web-1.0.0.tgz").copy_to(charts)


def test_the_error_of_a_copy_without_a_response_names_the_other_registry(
    server: FakeBuildkite, bk: Buildkite, org: OrganizationRef, files: Registry, costs: Costs
) -> None:
    package, archive = add(files), org.registries().create(name="Archive", ecosystem="files")
    server.faults.add("reset_before", processed=True)
    with costs(1), pytest.raises(ConnectionFailedError) as caught:
        package.copy_to(archive)
    assert caught.value.outcome_unknown
    place = re.search(r"list https://api\.buildkite\.com/v2/(\S+) and look for it", str(caught.value))
    assert place is not None
    listed = bk.session.send(ApiRequest("GET", place[1]), lambda response: json.loads(response.body))
    assert [each["name"] for each in listed["items"]] == [package.name]


def test_a_copy_needs_a_destination(server: FakeBuildkite, files: Registry) -> None:
    package = add(files)
    with pytest.raises(UnprocessableEntityError, match="to"):
        package.copy_to("")
    lacking = server.make_token("read_packages")
    with server.client(token=lacking) as bk, pytest.raises(PermissionDeniedError, match="write_packages"):
        bk.organization("acme").registry("files").package(package.id).copy_to("files")


def test_one_that_is_not_there_is_not_found(org: OrganizationRef) -> None:
    nothing = org.registry("nothing")
    for operation in (nothing.fetch, nothing.packages().first, nothing.tokens().first, nothing.package("0191").fetch):
        with pytest.raises(NotFoundError, match="No registry found"):
            operation()


# -- all of it


def test_seeded_objects_exist() -> None:
    with FakeBuildkite(settings=unlimited()) as server, server.client() as bk:
        org = bk.organization("acme")
        assert [each.slug for each in org.registries()] == ["gems", "debian-packages", "files"]
        assert [(each.name, each.version) for each in org.registry("debian-packages").packages()] == [
            ("grapes", "2.8.3-1"),
            ("banana", "1.1-2"),
            ("banana", "1.0-1"),
        ]
        assert [each.version for each in org.registry("files").packages()] == ["3.0.0-beta.1", "1.0.0"]
        assert all(each.tokens().count() == 1 for each in org.registries())


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    for folder, noun, model in (
        ("registries", "registry", Registry),
        ("registry_tokens", "registry-token", RegistryToken),
    ):
        examples(model, *(f"package_registries/{folder}/{verb}-a-{noun}" for verb in ("get", "create", "update")))
    examples(Registry, "package_registries/registries/list-all-registries")
    examples(RegistryToken, "package_registries/registry_tokens/list-all-registry-tokens")
    verbs = ("publish-a-package", "list-all-packages", "get-a-package", "copy-a-package")
    examples(Package, *(f"package_registries/packages/{verb}" for verb in verbs))
