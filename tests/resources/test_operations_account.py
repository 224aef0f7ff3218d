"""The user, the token and the meta information on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import AccessToken, AuthenticationError, Meta, PermissionDeniedError, User

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs


def test_the_user_is_the_owner_of_the_token(server: FakeBuildkite) -> None:
    grace = server.add_user("Grace Hopper", "grace@acme.example")
    with server.client(token=server.make_token("read_user", user=grace)) as bk:
        user = bk.user()
    (request,) = server.requests
    assert (request.method, request.path, request.query, request.body) == ("GET", "/v2/user", [], b"")
    assert (type(user), user.id, user.name, user.email) == (User, grace.id, "Grace Hopper", "grace@acme.example")


def test_the_user_needs_a_scope(server: FakeBuildkite) -> None:
    with (
        server.client(token=server.make_token("read_builds")) as bk,
        pytest.raises(PermissionDeniedError, match="read_user"),
    ):
        bk.user()


def test_the_token_lists_its_scopes_without_needing_any(server: FakeBuildkite) -> None:
    with server.client(token=server.make_token()) as bk:
        assert bk.access_token().scopes == []
    with server.client(token=server.make_token("read_builds", "read_user")) as bk:
        token = bk.access_token()
    request = server.requests[-1]
    assert (request.method, request.path, request.query) == ("GET", "/v2/access-token", [])
    assert (type(token), set(token.scopes)) == (AccessToken, {"read_builds", "read_user"})


def test_a_revoked_token_is_refused(server: FakeBuildkite) -> None:
    with server.client(token=server.make_token("read_user")) as bk:
        bk.access_token().revoke()
        request = server.requests[-1]
        assert (request.method, request.path, request.body) == ("DELETE", "/v2/access-token", b"")
        with pytest.raises(AuthenticationError, match="BUILDKITE_API_TOKEN"):
            bk.user()


@pytest.mark.parametrize("kind", ["reset_before", "read_timeout", "html", "error"])
def test_a_token_is_revoked_although_the_response_was_lost(server: FakeBuildkite, kind: Any, costs: Costs) -> None:
    with server.client(token=server.make_token("read_user")) as bk:
        token = bk.access_token()
        server.faults.add(kind, processed=True)
        with costs(2):
            token.revoke()
    assert [(request.method, request.status == 401) for request in server.requests[-2:]] == [
        ("DELETE", False),
        ("DELETE", True),
    ]


def test_a_token_that_is_not_known_at_once_was_not_revoked(server: FakeBuildkite, costs: Costs) -> None:
    with server.client(token=server.make_token("read_user")) as bk:
        token = bk.access_token()
        token.revoke()
        with costs(1), pytest.raises(AuthenticationError):
            token.revoke()


def test_a_deletion_that_is_sent_again_and_finds_no_token_is_unknown(server: FakeBuildkite, bk: Buildkite) -> None:
    server.faults.add("reset_before")
    server.faults.add("error", status=401, after=1)
    with pytest.raises(AuthenticationError) as caught:
        bk.organization("acme").cluster("c").delete()
    assert caught.value.outcome_unknown


def test_meta_lists_the_source_addresses_of_webhooks(server: FakeBuildkite, bk: Buildkite) -> None:
    meta = bk.meta()
    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("GET", "/v2/meta", [])
    assert (type(meta), meta.webhook_ips) == (Meta, ["192.0.2.0/24", "198.51.100.12"])


def test_singletons_reload_from_their_own_path(server: FakeBuildkite, bk: Buildkite) -> None:
    for resource, path in ((bk.user(), "/v2/user"), (bk.access_token(), "/v2/access-token"), (bk.meta(), "/v2/meta")):
        assert resource.reload() is resource
        assert server.requests[-1].path == path
