"""The user, the token, and the routes without authentication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.route import route
from buildkite_orm.fake.http import Reply
from buildkite_orm.fake.payloads import accounts

if TYPE_CHECKING:
    from buildkite_orm.fake.http import ApiRequest

_PUBLIC_API = "https://api.buildkite.com"


def get_user(request: ApiRequest) -> Reply:
    """Get the user of the token."""
    return Reply(payload=accounts.user(request.view, request.token.user))


def get_access_token(request: ApiRequest) -> Reply:
    """Get the token."""
    return Reply(payload=accounts.access_token(request.view, request.token))


def revoke_access_token(request: ApiRequest) -> Reply:
    """Revoke the token."""
    del request.context.store.tokens[request.token.token]
    return Reply(204)


def get_meta(_request: ApiRequest) -> Reply:
    """Get Buildkite's IP addresses."""
    return Reply(payload={"webhook_ips": ["192.0.2.0/24", "198.51.100.12"]})


def get_root(request: ApiRequest) -> Reply:
    """Get the greeting at the root of the API."""
    return Reply(payload={"message": "🛠", "timestamp": int(request.context.clock.now())})


def get_api_catalog(request: ApiRequest) -> Reply:
    """Get the catalog of API specifications; that of Test Engine is served by Buildkite, and not by the fake."""
    description = {"href": f"{_PUBLIC_API}/v2/analytics/openapi.yaml", "type": "application/openapi+yaml"}
    documentation = {"href": "https://buildkite.com/docs/apis/rest-api", "type": "text/html"}
    catalog = {
        "anchor": f"{request.base}/analytics",
        "service-desc": [description],
        "service-doc": [documentation],
    }
    return Reply(payload={"linkset": [catalog]}, content_type="application/linkset+json")


ROUTES = (
    route("GET", "/", None, get_root),
    route("GET", "/.well-known/api-catalog", None, get_api_catalog),
    route("GET", "/v2/meta", None, get_meta),
    route("GET", "/v2/user", "read_user", get_user),
    route("GET", "/v2/access-token", "", get_access_token),
    route("DELETE", "/v2/access-token", "", revoke_access_token),
)
