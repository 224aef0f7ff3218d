"""Notification services."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake import audit
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import ORGANIZATION, route
from buildkite_orm.fake.handlers.validation import Check, are_strings, one_of, require_administrator, require_valid
from buildkite_orm.fake.http import ApiError, InvalidError
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.handlers.route import Handler
    from buildkite_orm.fake.http import ApiRequest, Reply
    from buildkite_orm.fake.records import Json

STATES = (
    "build_passed",
    "build_fixed",
    "build_failed",
    "build_blocked",
    "build_canceled",
    "build_failing",
    "job_activated",
)


# -- providers


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A kind of notification service.

    Attributes:
        name: Its display name.
        graphql: Its type in the GraphQL API; None if that has none.
        settings: The checks of its settings.
        defaults: The default settings.
        masked: The settings of which only the last characters are returned.
        hidden: The settings that are not returned.
        fixed: The settings that cannot be changed.
        created_on_the_web: Whether the API cannot create one.
    """

    name: str
    graphql: str | None
    settings: Mapping[str, Check]
    defaults: Mapping[str, Any]
    masked: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    created_on_the_web: bool = False

    def render(self, settings: Json) -> Json:
        """Return settings without their secrets."""
        shown = {name: value for name, value in settings.items() if name not in self.hidden}
        return shown | {name: _mask(shown[name]) for name in self.masked & shown.keys()}


def _mask(secret: str) -> str:
    return "X" * (len(secret) - 4) + secret[-4:]


def _needed(accepts: Callable[[str], bool] | None = None) -> Check:
    return Check(str, required=True, filled=True, accepts=accepts)


def _strings(value: Json) -> bool:
    return all(isinstance(each, str) for each in value.values())


_LATEST_VERSION = 3
_ACCOUNT = re.compile(r"\d{12}").fullmatch
PROVIDERS: dict[str, Provider] = {
    "webhook": Provider(
        name="Webhook",
        graphql="NotificationServiceWebhook",
        settings={
            "url": _needed(),
            "token": Check(str),
            "token_mode": one_of("token", "signature"),
            "version": Check(int, accepts=lambda value: 1 <= value <= _LATEST_VERSION),
            "events": Check(list, accepts=are_strings),
            "tls_verify": Check(bool),
        },
        defaults={
            "version": _LATEST_VERSION,
            "token": None,
            "token_mode": "token",
            "events": [],
            "tls_verify": True,
        },
    ),
    "slack": Provider(
        name="Slack",
        graphql="NotificationServiceSlack",
        settings={"url": _needed(), "theme": one_of("text", "emoji")},
        defaults={"theme": "text"},
        hidden=frozenset({"url"}),
    ),
    "aws_event_bridge": Provider(
        name="Amazon EventBridge",
        graphql="NotificationServiceAWSEventBridge",
        settings={
            "aws_region": _needed(),
            "aws_account_id": _needed(lambda value: _ACCOUNT(value) is not None),
            "include_build_meta_data": Check(bool),
        },
        defaults={"include_build_meta_data": False},
        masked=frozenset({"aws_account_id"}),
        fixed=frozenset({"aws_region", "aws_account_id"}),
    ),
    "datadog_pipeline_visibility": Provider(
        name="Datadog Pipeline Visibility",
        graphql=None,
        settings={"api_key": _needed(), "datadog_site": Check(str), "datadog_tags": Check(str)},
        defaults={"datadog_site": "datadoghq.com", "datadog_tags": None},
        masked=frozenset({"api_key"}),
    ),
    "open_telemetry_tracing": Provider(
        name="OpenTelemetry Tracing",
        graphql="NotificationServiceOpenTelemetryTracing",
        settings={
            "endpoint": _needed(),
            "service_name": Check(str),
            "headers": Check(dict, accepts=_strings),
            "resource_attributes": Check(dict, accepts=_strings),
            "tracestate": Check(str),
        },
        defaults={"service_name": "buildkite", "resource_attributes": {}},
        hidden=frozenset({"headers"}),
    ),
    "event_log_api": Provider(
        name="Event Log API", graphql=None, settings={"events": Check(list, accepts=are_strings)}, defaults={}
    ),
    "slack_workspace": Provider(
        name="Slack Workspace",
        graphql="NotificationServiceSlackWorkspace",
        settings={},
        defaults={},
        hidden=frozenset({"access_token"}),
        created_on_the_web=True,
    ),
    "linear": Provider(
        name="Linear",
        graphql=None,
        settings={},
        defaults={},
        hidden=frozenset({"access_token", "refresh_token"}),
        created_on_the_web=True,
    ),
}


# -- services


def _service(request: ApiRequest, record: Record) -> Json:
    data, provider = record.data, PROVIDERS[record.data["provider"]]
    return {
        "id": record.id,
        "graphql_id": provider.graphql and graphql_id(provider.graphql, record.id),
        "url": f"{request.view.organization(request.organization)}/services/{record.id}",
        **data,
        "provider": {"id": data["provider"], "name": provider.name},
        "settings": provider.render(data["settings"]),
        "created_at": request.view.time(record.created_at),
        "created_by": user_or_none(request.view, record.created_by),
    }


def _organization_id(request: ApiRequest) -> str:
    if not request.organization.members_manage_services:
        require_administrator(request)
    return request.organization.id


def _validate(request: ApiRequest, record: Record, body: Json) -> None:
    data = record.data
    if unknown := sorted(body.keys() - _BODY):
        raise InvalidError([(name, "unknown") for name in unknown])
    if body.get("provider", data["provider"]) != data["provider"]:
        raise ApiError(422, "Validation failed: Provider can't be changed")
    if data["provider"] in request.organization.missing_features:
        raise ApiError(422, "Validation failed: Provider is not available")
    require_valid(body, _MERGED)
    data["build_states"] = data["build_states"] | (body.get("build_states") or {})
    data["settings"] = _merged_settings(PROVIDERS[data["provider"]], data["settings"], body.get("settings") or {})
    data["branch_configuration"] = data["branch_configuration"] or ""
    _validate_scope(request, data, body)


def _merged_settings(provider: Provider, before: Json, given: Json) -> Json:
    """Return the stored settings with the given ones merged in; a secret in its masked form stays unchanged."""
    if unknown := sorted(given.keys() - provider.settings.keys()):
        raise InvalidError([(f"settings.{name}", "unknown") for name in unknown])
    same = {name for name in provider.masked & before.keys() if given.get(name) == _mask(before[name])}
    after = {**provider.defaults, **before, **{name: value for name, value in given.items() if name not in same}}
    require_valid(after, provider.settings)
    changed = {name for name in before if after[name] != before[name]}
    if fixed := sorted(provider.fixed & changed):
        raise InvalidError([(f"settings.{name}", "read_only") for name in fixed])
    if "version" in changed and after["version"] < before["version"]:
        raise InvalidError([("settings.version", "downgrade")])
    return after


def _validate_scope(request: ApiRequest, data: Json, body: Json) -> None:
    """Validate a scope's UUIDs; the scope `all` has none."""
    if data["scope"] == "all":
        if body.get("scope_uuids"):
            raise ApiError(422, "Validation failed: Scope uuids must be omitted when the scope is all")
        data["scope_uuids"] = []
    elif {"scope", "scope_uuids"} & body.keys() and not set(data["scope_uuids"]) <= _in_scope(request, data["scope"]):
        raise ApiError(422, "Validation failed: Scope uuids must exist")


def _in_scope(request: ApiRequest, scope: str) -> set[str]:
    organization = request.organization
    if scope == "some_projects":
        return {each.id for each in organization.pipelines.values()}
    kind = scope.removeprefix("some_").removesuffix("s")
    return {each.id for each in organization.collections.of(kind, organization.id).values()}


_FIELDS = {
    "description": Check(str),
    "branch_configuration": Check(str),
    "scope": one_of("all", "some_projects", "some_teams", "some_clusters"),
    "scope_uuids": Check(list, accepts=are_strings),
}
_MERGED = {
    "build_states": Check(
        dict,
        accepts=lambda value: value.keys() <= set(STATES) and all(isinstance(each, bool) for each in value.values()),
    ),
    "settings": Check(dict),
}
_BODY = {"provider", *_FIELDS, *_MERGED}

SERVICES = Collection(
    kind="notification_service",
    path=ORGANIZATION + "/services",
    key="service",
    read="read_notification_services",
    write="write_notification_services",
    render=_service,
    create={
        "provider": one_of(*(key for key, each in PROVIDERS.items() if not each.created_on_the_web), required=True),
        **_FIELDS,
    },
    update=_FIELDS,
    defaults={
        "description": None,
        "enabled": True,
        "scope": "all",
        "scope_uuids": [],
        "branch_configuration": "",
        "build_states": dict.fromkeys(STATES, False),
        "settings": {},
    },
    owner=_organization_id,
    validate=_validate,
    paging="cursor",
)


def _switch(change: str, *, enabled: bool) -> Handler:
    def turn(request: ApiRequest) -> Reply:
        record = SERVICES.find(request)
        record.data["enabled"] = enabled
        audit.log_change(request, SERVICES.kind, change, record)
        return SERVICES.response(request, record, "get", 200)

    return turn


_ITEM = SERVICES.path + "/{service}"

ROUTES = (
    *SERVICES.routes(),
    route("PUT", _ITEM + "/enable", SERVICES.write, _switch("Enabled", enabled=True)),
    route("PUT", _ITEM + "/disable", SERVICES.write, _switch("Disabled", enabled=False)),
)
