"""Repository connections, and the repositories that they reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import ORGANIZATION, route
from buildkite_orm.fake.handlers.validation import is_uuid, require_administrator
from buildkite_orm.fake.http import ApiError, Reply

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

_CANNOT_LIST = frozenset({"bitbucket_server", "gitlab_self_managed", "github_enterprise"})
_BRIEFLY = ("type", "display_name")
_IN_FULL = ("service_account", "host", "rate_limit")


def _brief(request: ApiRequest, thing: Record) -> Json:
    url = f"{request.view.organization(request.organization)}/repository_connections/{thing.id}"
    return {"id": thing.id, **{name: thing.data[name] for name in _BRIEFLY}, "url": url}


def _of_organization(request: ApiRequest) -> str:
    require_administrator(request)
    return request.organization.id


CONNECTIONS = Collection(
    kind="repository_connection",
    path=ORGANIZATION + "/repository_connections",
    key="connection",
    read="read_organization_repository_connections",
    write="",
    tell=_brief,
    owner=_of_organization,
    paging="array",
)


def _found(request: ApiRequest) -> Record:
    require_administrator(request)
    if not is_uuid(request.arguments["connection"]):
        raise ApiError(400, "The repository connection's ID must be a UUID")
    return CONNECTIONS.find(request)


def get_connection(request: ApiRequest) -> Reply:
    """Get one."""
    thing = _found(request)
    return Reply(payload=_brief(request, thing) | {name: thing.data[name] for name in _IN_FULL})


def list_repositories(request: ApiRequest) -> Reply:
    """List the repositories that one reaches; only the one of a name where that is given."""
    data, args = _found(request).data, request.http.args
    if any(name.startswith("repository[") for name in args):
        raise ApiError(400, "repository must be a string")
    if data["type"] in _CANNOT_LIST:
        raise ApiError(422, f"Connections of type {data['type']} cannot list repositories")
    if data.get("retry_after") is not None:
        headers = {"Retry-After": str(data["retry_after"])}
        return Reply(503, payload={"message": "The source control provider is unavailable"}, headers=headers)
    named = args.get("repository")
    found = [each for each in data["repositories"] if named is None or each["full_name"].lower() == named.lower()]
    return Reply(payload=found)


_ONE = CONNECTIONS.path + "/{connection}"

ROUTES = (
    *CONNECTIONS.routes("list"),
    route("GET", _ONE, CONNECTIONS.read, get_connection),
    route("GET", _ONE + "/repositories", CONNECTIONS.read, list_repositories),
)
