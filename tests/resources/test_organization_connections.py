"""Repository connections, and the repositories that they reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import (
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    RetryPolicy,
    ServerError,
    UnprocessableEntityError,
)
from buildkite_orm.fake.seeds import organizations as seed
from buildkite_orm.resources.organizations.repository_connection import (
    Repository,
    RepositoryConnection,
    RepositoryConnectionType,
)

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

CONNECTIONS = "/v2/organizations/acme/repository_connections"
NOBODYS = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture
def connections(bk: Buildkite, server: FakeBuildkite) -> list[RepositoryConnection]:
    """One that lists its repositories, `acme/web` and `acme/api`, and one that cannot."""
    for slug in ("web", "api"):
        server.add_pipeline(slug)
    seed.populate(server.context, server.store.organizations["acme"])
    return list(bk.organization("acme").repository_connections())


def test_connections_are_listed(
    bk: Buildkite, connections: list[RepositoryConnection], sent: Sent, costs: Costs
) -> None:
    with costs(1):
        github, gitlab = bk.organization("acme").repository_connections()
    assert sent() == (f"GET {CONNECTIONS}?per_page=100", None)
    assert [github, gitlab] == connections
    assert (github.type, gitlab.type) == (
        RepositoryConnectionType.GITHUB_CODE_ACCESS_APP,
        RepositoryConnectionType.GITLAB_SELF_MANAGED,
    )
    assert repr(github) == "RepositoryConnection(github_code_access_app, GitHub (acme))"
    assert set(github.dump()) == {"id", "type", "display_name", "url"}


def test_one_is_got_in_full(bk: Buildkite, connections: list[RepositoryConnection], sent: Sent, costs: Costs) -> None:
    github, gitlab = connections
    with costs(1):
        full = bk.organization("acme").repository_connection(github.id).fetch()
    assert sent() == (f"GET {CONNECTIONS}/{github.id}", None)
    assert full == github
    assert full.organization == bk.organization("acme")
    assert full.service_account is not None
    assert full.service_account.login == "acme"
    assert full.host is not None
    assert (full.host.type, full.host.url) == ("github", "https://github.com")
    assert full.rate_limit is not None
    assert (full.rate_limit.limit, full.rate_limit.remaining) == (5000, 4958)
    assert gitlab.reload().host is not None
    assert (gitlab.service_account, gitlab.rate_limit) == (None, None)
    assert gitlab.dump().items() >= {"service_account": None, "rate_limit": None}.items()


def test_repositories_are_listed(
    bk: Buildkite, connections: list[RepositoryConnection], sent: Sent, costs: Costs
) -> None:
    ref = bk.organization("acme").repository_connection(connections[0].id)
    with costs(1):
        web, api = ref.repositories()
    assert sent() == (f"GET {CONNECTIONS}/{connections[0].id}/repositories?per_page=100", None)
    assert (web.full_name, web.default_branch) == ("acme/web", "main")
    assert (web.html_url, web.clone_url) == ("https://github.com/acme/web", "https://github.com/acme/web.git")
    assert web.repository_connection == ref
    assert web.organization == bk.organization("acme")
    assert repr(api) == "Repository(acme/api, main)"
    assert web != api
    assert web in ref.repositories()


@pytest.mark.parametrize(("named", "found"), [("ACME/Web", ["acme/web"]), ("acme", []), ("", [])])
def test_one_repository_is_found_by_its_name(
    connections: list[RepositoryConnection], sent: Sent, named: str, found: list[str]
) -> None:
    listing = connections[0].repositories(repository="acme/api").filter(repository=named)
    assert [each.full_name for each in listing] == found
    assert f"repository={named.replace('/', '%2F')}" in sent()[0]


def test_some_cannot_list_repositories(connections: list[RepositoryConnection]) -> None:
    with pytest.raises(UnprocessableEntityError, match="gitlab_self_managed"):
        list(connections[1].repositories())


def test_a_name_that_is_not_a_string_is_a_bad_request(connections: list[RepositoryConnection]) -> None:
    name: Any = ["acme/web"]
    with pytest.raises(BadRequestError, match="must be a string"):
        list(connections[0].repositories(repository=name))


def test_a_provider_that_is_not_there_is_an_error_of_the_server(
    server: FakeBuildkite, connections: list[RepositoryConnection]
) -> None:
    acme = server.store.organizations["acme"]
    acme.collections.of("repository_connection", acme.id)[connections[0].id].data["retry_after"] = 30
    with server.client(retry=RetryPolicy(attempts=1)) as bk, pytest.raises(ServerError, match="provider"):
        list(bk.organization("acme").repository_connection(connections[0].id).repositories())


@pytest.mark.parametrize(("connection", "error"), [("github", BadRequestError), (NOBODYS, NotFoundError)])
def test_one_that_is_not_there(bk: Buildkite, connection: str, error: type[Exception]) -> None:
    ref = bk.organization("acme").repository_connection(connection)
    for operation in (ref.fetch, lambda: list(ref.repositories())):
        with pytest.raises(error):
            operation()


def test_members_and_tokens_without_the_scope_see_no_connections(server: FakeBuildkite) -> None:
    member = server.add_user("Grace Hopper", "grace@acme.example")
    scope = "read_organization_repository_connections"
    for token, problem in (
        (server.make_token("read_organizations"), scope),
        (server.make_token(scope, user=member), "administrator"),
    ):
        with server.client(token=token) as bk:
            org = bk.organization("acme")
            ref = org.repository_connection(NOBODYS)
            for operation in (org.repository_connections().first, ref.fetch, ref.repositories().first):
                with pytest.raises(PermissionDeniedError, match=problem):
                    operation()


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    names = ("list-repository-connections", "get-a-repository-connection")
    examples(RepositoryConnection, *(f"organizations/repository_connections/{name}" for name in names))
    examples(Repository, "repository_connections/list-repositories")
