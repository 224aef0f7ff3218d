"""The client: the sources of its token, organization and endpoint, and the error if one is missing."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import (
    Build,
    Buildkite,
    ConfigurationError,
    OrganizationRef,
    UnboundError,
    __version__,
)

if TYPE_CHECKING:
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

TOKEN = "bkua_0123456789abcdef0123456789abcdef01234567"


# -- the token


def test_the_token_may_be_given(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDKITE_API_TOKEN", "another")
    with Buildkite(server.token, base_url=server.url) as bk:
        assert bk.user().name
    assert server.requests[-1].headers["Authorization"] == f"Bearer {server.token}"


def test_the_token_may_be_set_in_the_environment(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDKITE_API_TOKEN", f"  {server.token}\n")
    monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", server.url)
    with Buildkite() as bk:
        assert bk.user().name


@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_without_a_token_the_error_names_the_page_that_creates_one(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("BUILDKITE_API_TOKEN", value)
    with pytest.raises(ConfigurationError) as caught:
        Buildkite()
    assert "BUILDKITE_API_TOKEN" in str(caught.value)
    assert "https://buildkite.com/user/api-access-tokens" in str(caught.value)


@pytest.mark.parametrize("token", ["two words", "tök", "a\nb", "a\0b"])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ConfigurationError, match="characters that no token has") as caught:
        Buildkite(token)
    assert token not in str(caught.value)


def test_a_function_may_give_the_token_for_each_request(server: FakeBuildkite) -> None:
    tokens = [server.make_token("read_user"), server.make_token("read_user")]
    given = iter(tokens)
    with Buildkite(auth=lambda: next(given), base_url=server.url) as bk:
        bk.user()
        bk.user()
    assert [each.headers["Authorization"] for each in server.requests] == [f"Bearer {token}" for token in tokens]


def test_a_function_takes_the_place_of_the_environment(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDKITE_API_TOKEN", "another")
    with Buildkite(auth=lambda: server.token, base_url=server.url) as bk:
        assert bk.user().name


def test_a_token_and_a_function_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="cannot be combined"):
        Buildkite(TOKEN, auth=lambda: TOKEN)


def test_the_client_shows_no_token() -> None:
    with Buildkite(TOKEN) as bk:
        shown = [repr(bk), str(bk), repr(bk.session), repr(bk.organization("acme")), repr(vars(bk))]
    assert TOKEN not in "".join(shown)


# -- the endpoint


def test_the_usual_endpoint_is_buildkites() -> None:
    with Buildkite(TOKEN) as bk:
        assert bk.session.base_url == "https://api.buildkite.com"


def test_an_endpoint_argument_overrides_the_environment(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", "https://elsewhere.example")
    with Buildkite(server.token, base_url=f"{server.url}/") as bk:
        assert bk.user().name


def test_an_endpoint_may_have_a_path(server: FakeBuildkite) -> None:
    build = server.add_build("web")
    server.settings.public_urls = "https://api.buildkite.com"
    with Buildkite(server.token, base_url=f"{server.url}/proxy/buildkite/") as bk:
        listed = bk.organization("acme").builds()[0]
        assert listed.fetch().id == build.id
    assert [request.path for request in server.requests] == [
        "/proxy/buildkite/v2/organizations/acme/builds",
        "/proxy/buildkite/v2/organizations/acme/pipelines/web/builds/1",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "api.buildkite.com",
        "ftp://api.buildkite.com",
        "https://",
        "",
        "https://user:pw@api.buildkite.com",
        "https://a/?b=c",
    ],
)
def test_an_endpoint_that_cannot_be_one_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", url or "nonsense")
    with pytest.raises(ConfigurationError, match="base_url"):
        Buildkite(TOKEN)


@pytest.mark.parametrize("url", ["http://api.buildkite.com", "http://10.0.0.7", "http://127.0.0.1.evil.example"])
def test_plain_http_is_for_loopback_only(url: str) -> None:
    with pytest.raises(ConfigurationError, match="use https"):
        Buildkite(TOKEN, base_url=url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:8080"])
def test_loopback_may_be_plain_http(url: str) -> None:
    with Buildkite(TOKEN, base_url=url) as bk:
        assert bk.session.base_url == url


# -- the organization


def test_the_organization_may_be_given_once(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDKITE_ORGANIZATION_SLUG", "other")
    with server.client(organization="acme") as bk:
        assert bk.organization() == bk.organization("acme")
        assert bk.organization("umbrella") != bk.organization()


def test_the_organization_may_be_set_in_the_environment(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDKITE_ORGANIZATION_SLUG", "acme")
    with server.client() as bk:
        assert bk.organization() == bk.organization("acme")


def test_without_an_organization_the_error_says_how_to_name_one(bk: Buildkite) -> None:
    with pytest.raises(ConfigurationError, match="BUILDKITE_ORGANIZATION_SLUG"):
        bk.organization()


@pytest.mark.parametrize("slug", ["", ".", "..", "a\nb"])
def test_an_invalid_slug_is_not_taken_for_the_default_organization(server: FakeBuildkite, slug: str) -> None:
    with server.client(organization="acme") as bk, pytest.raises(ValueError, match="cannot be part of a path"):
        bk.organization(slug)


def test_a_slug_cannot_change_the_path(server: FakeBuildkite, bk: Buildkite) -> None:
    organization = bk.organization("acme/../x?y#z")
    assert type(organization) is OrganizationRef
    assert organization.api_path == "organizations/acme%2F..%2Fx%3Fy%23z"
    assert server.requests == []


# -- requests


def test_refs_and_querysets_cost_nothing(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    del server
    with costs(0):
        organization = bk.organization("acme")
        build = organization.pipeline("web").build(42)
        refs = [organization, build, build.job("j"), build.job("j").log(), build.pipeline, organization.agent("a")]
        listings = [bk.builds(), bk.organizations(), organization.agents(), build.jobs(), build.annotations()]
        assert all(repr(each) for each in (*refs, *listings))


def test_every_request_names_the_library_and_accepts_json(server: FakeBuildkite, bk: Buildkite) -> None:
    bk.user()
    headers = server.requests[-1].headers
    assert headers["User-Agent"] == f"buildkite-orm/{__version__}"
    assert headers["Accept"] == "application/json"
    assert "gzip" in headers["Accept-Encoding"]


@pytest.mark.parametrize("reserve", [-0.1, 1.0, 2])
def test_a_reserve_is_a_share(reserve: float) -> None:
    with pytest.raises(ConfigurationError, match="reserve"):
        Buildkite(TOKEN, reserve=reserve)


def test_a_client_may_be_closed_twice(server: FakeBuildkite) -> None:
    bk = server.client(http=True)
    assert bk.user().name
    bk.close()
    bk.close()
    with pytest.raises(UnboundError, match="the client is closed"):
        bk.user()


# -- bind


def test_an_object_that_was_pickled_is_bound_again(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="running", jobs=[{"state": "running"}])
    build: Build = pickle.loads(pickle.dumps(bk.organization("acme").pipeline("web").build(1).fetch()))  # noqa: S301
    with pytest.raises(UnboundError):
        build.cancel()
    assert bk.bind(build) is build
    assert build.cancel() == build


def test_an_object_that_was_validated_by_hand_is_bound(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web")
    payload = bk.organization("acme").pipeline("web").build(1).fetch().dump()
    build = bk.bind(Build.model_validate(payload))
    assert build.reload().number == 1
