"""Agent tokens of clusters."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from buildkite_orm.fake import times
from buildkite_orm.fake.handlers.clusters.parents import CLUSTER, cluster_id_of, urls
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.validation import Check
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json


def _token(request: ApiRequest, record: Record) -> Json:
    expires_at = record.data["expires_at"]
    return {
        "id": record.id,
        "graphql_id": graphql_id("ClusterToken", record.id),
        "description": record.data["description"],
        "allowed_ip_addresses": record.data["allowed_ip_addresses"],
        "expires_at": request.view.time(times.parse(expires_at)) if expires_at else None,
        **urls(request, record, "tokens"),
        "created_at": request.view.time(record.created_at),
        "created_by": user_or_none(request.view, record.created_by),
    }


def _secret(request: ApiRequest, _new_record: Record) -> Json:
    return {"token": request.context.store.ids.token("bkct")}


def _are_networks(text: str) -> bool:
    try:
        return all(IPv4Network(each, strict=False) for each in text.split())
    except ValueError:
        return False


_OPTIONS = {
    "expires_at": Check(str, accepts=lambda value: times.parse(value) is not None),
    "allowed_ip_addresses": Check(str, accepts=_are_networks),
}
AGENT_TOKENS = Collection(
    kind="token",
    path=CLUSTER + "/tokens",
    key="token",
    read="read_clusters",
    write="write_clusters",
    render=_token,
    render_secret=_secret,
    create={"description": Check(str, required=True, filled=True), **_OPTIONS},
    update={"description": Check(str, filled=True), **_OPTIONS},
    defaults={"expires_at": None, "allowed_ip_addresses": None},
    owner=cluster_id_of,
)

ROUTES = AGENT_TOKENS.routes()
