"""Repository connections, and the repositories that they can access."""

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

_NOT_LISTABLE = frozenset({"bitbucket_server", "gitlab_self_managed", "github_enterprise"})
_SUMMARY_FIELDS = ("type", "display_name")
_DETAIL_FIELDS = ("service_account", "host", "rate_limit")


def _summary(request: ApiRequest, record: Record) -> Json:
    url = f"{request.view.organization(request.organization)}/repository_connections/{record.id}"
    return {"id": record.id, **{name: record.data[name] for name in _SUMMARY_FIELDS}, "url": url}


def _organization_id(request: ApiRequest) -> str:
    require_administrator(request)
    return request.organization.id


CONNECTIONS = Collection(
    kind="repository_connection",
    path=ORGANIZATION + "/repository_connections",
    key="connection",
    read="read_organization_repository_connections",
    write="",
    render=_summary,
    owner=_organization_id,
    paging="array",
)


def _find(request: ApiRequest) -> Record:
    require_administrator(request)
    if not is_uuid(request.arguments["connection"]):
        raise ApiError(400, "The repository connection's ID must be a UUID")
    return CONNECTIONS.find(request)


def get_connection(request: ApiRequest) -> Reply:
    """Get a connection."""
    record = _find(request)
    return Reply(payload=_summary(request, record) | {name: record.data[name] for name in _DETAIL_FIELDS})


def list_repositories(request: ApiRequest) -> Reply:
    """List the repositories of a connection; with `repository`, only the one with that name."""
    data, args = _find(request).data, request.http.args
    if any(name.startswith("repository[") for name in args):
        raise ApiError(400, "repository must be a string")
    if data["type"] in _NOT_LISTABLE:
        raise ApiError(422, f"Connections of type {data['type']} cannot list repositories")
    if data.get("retry_after") is not None:
        headers = {"Retry-After": str(data["retry_after"])}
        return Reply(503, payload={"message": "The source control provider is unavailable"}, headers=headers)
    named = args.get("repository")
    found = [each for each in data["repositories"] if named is None or each["full_name"].lower() == named.lower()]
    return Reply(payload=found)


_ITEM = CONNECTIONS.path + "/{connection}"

ROUTES = (
    *CONNECTIONS.routes("list"),
    route("GET", _ITEM, CONNECTIONS.read, get_connection),
    route("GET", _ITEM + "/repositories", CONNECTIONS.read, list_repositories),
)
