"""Settings of an organization, for administrators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkite_orm.fake import audit
from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.portals import are_networks
from buildkite_orm.fake.handlers.route import ORGANIZATION, Route, route
from buildkite_orm.fake.handlers.validation import Check, is_uuid, one_of, require_administrator, require_valid
from buildkite_orm.fake.http import ApiError, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json, OrganizationRecord, UserRecord

_READ, _WRITE = "read_organization_settings", "write_organization_settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One group of settings, which every organization has.

    Attributes:
        kind: The name of the group, such as `api_settings`.
        path: Its path.
        render: Returns the payload.
        update: The checks of a body that updates them.
        defaults: Returns the initial settings.
        validate: Validates an update, given the new settings and the body, and applies side effects; may raise.
        event: The name of an update in the audit log.
    """

    kind: str
    path: str
    render: Callable[[ApiRequest, Json], Json]
    update: Mapping[str, Check]
    defaults: Callable[[OrganizationRecord], Json]
    validate: Callable[[ApiRequest, Json, Json], None]
    event: str

    def routes(self) -> tuple[Route, ...]:
        """Return the routes."""
        changes = (route(method, self.path, _WRITE, self.change) for method in ("PATCH", "PUT"))
        return (route("GET", self.path, _READ, self.get), *changes)

    def of(self, organization: OrganizationRecord) -> Json:
        """Return an organization's settings, which may be modified."""
        kept = organization.collections.of(self.kind, organization.id)
        if self.kind not in kept:
            data = self.defaults(organization)
            kept[self.kind] = Record(id=organization.id, data=data, created_at=organization.created_at)
        return kept[self.kind].data

    def get(self, request: ApiRequest) -> Reply:
        """Get the settings."""
        require_administrator(request)
        return Reply(payload=self.render(request, self.of(request.organization)))

    def change(self, request: ApiRequest) -> Reply:
        """Update settings."""
        require_administrator(request)
        data, body = self.of(request.organization), request.body()
        require_valid(body, self.update)
        changed = {name: body[name] for name in self.update if name in body}
        self.validate(request, {**data, **changed}, body)
        return self.put(request, changed)

    def put(self, request: ApiRequest, changed: Json, event: str | None = None) -> Reply:
        """Store valid values."""
        self.of(request.organization).update(changed)
        audit.log_organization_event(request, event or self.event, changed=list(changed))
        return self.get(request)


# -- API settings

# the plan features that settings need
_FEATURES = {
    "allowed_ip_addresses": "api_ip_allow_list",
    "revoke_inactive_tokens_after_days": "inactive_api_token_revocation",
}


def _api_settings(request: ApiRequest, data: Json) -> Json:
    lacks = request.organization.missing_features
    features = {feature: feature not in lacks for feature in _FEATURES.values()}
    return {"url": f"{request.view.organization(request.organization)}/api-settings", **data, "features": features}


def _validate_api(request: ApiRequest, _data: Json, body: Json) -> None:
    for name, feature in _FEATURES.items():
        if name in body and feature in request.organization.missing_features:
            raise ApiError(403, f"Your plan doesn't include {feature}")


API_SETTINGS = Settings(
    kind="api_settings",
    path=ORGANIZATION + "/api-settings",
    render=_api_settings,
    update={
        "allowed_ip_addresses": Check(
            str, accepts=lambda value: are_networks(value) and all("/" in each for each in value.split())
        ),
        "revoke_inactive_tokens_after_days": Check(int, accepts=lambda value: value in {30, 60, 90, 180, 365}),
        "restrict_user_api_token_creation": Check(bool, filled=True),
    },
    defaults=lambda _organization: {
        "allowed_ip_addresses": None,
        "revoke_inactive_tokens_after_days": None,
        "restrict_user_api_token_creation": False,
    },
    validate=_validate_api,
    event="OrganizationSecuritySettingsUpdated",
)


# -- pipeline settings

_HOSTED_SSH, _PUBLIC, _METRICS = "hosted_agents_terminal_access", "public_pipeline_creation", "advanced_queue_metrics"
_STRATEGIES = ("s3", "gcs")
_NO_EXPORT: Json = {"location": None, "strategy_id": None}
_EXPORT_CHECKS = {
    "location": Check(str, required=True, filled=True, accepts=lambda value: bool(value.strip())),
    "strategy_id": one_of(*_STRATEGIES, required=True),
}


def turned_on(at: float, by: UserRecord) -> Json:
    """Return the state of an enabled switch."""
    return {"at": at, "by": by}


def _switch(request: ApiRequest, on: Json | None) -> Json:
    if on is None:
        return {"enabled": False, "enabled_at": None, "enabled_by": None}
    by: UserRecord = on["by"]
    return {"enabled": True, "enabled_at": request.view.time(on["at"]), "enabled_by": {"id": by.id, "name": by.name}}


def _pipeline_settings(request: ApiRequest, data: Json) -> Json:
    export = data["build_exports"]
    return {
        "url": f"{request.view.organization(request.organization)}/pipeline-settings",
        **data,
        **{name: _switch(request, data[name]) for name in (_HOSTED_SSH, _PUBLIC)},
        _METRICS: {**_switch(request, data[_METRICS]), "disable_supported": False},
        "build_exports": {
            "available": "build_exports" not in request.organization.missing_features,
            "enabled": export["location"] is not None,
            **export,
            "supported_strategies": list(_STRATEGIES),
        },
    }


def _validate_pipeline(request: ApiRequest, data: Json, body: Json) -> None:
    organization, cluster = request.organization, data["default_cluster_id"]
    default, most = data["default_timeout_in_minutes"], data["maximum_timeout_in_minutes"]
    if "default_cluster_id" in body and cluster is not None:
        if cluster not in organization.collections.of("cluster", organization.id):
            raise ApiError(422, "Validation failed: Default cluster must exist")
        organization.cluster_id = cluster
    if default is not None and most is not None and default > most:
        raise ApiError(422, "Validation failed: Default timeout must not exceed the maximum timeout")


def _minutes() -> Check:
    return Check(int, accepts=lambda value: value > 0)


PIPELINE_SETTINGS = Settings(
    kind="pipeline_settings",
    path=ORGANIZATION + "/pipeline-settings",
    render=_pipeline_settings,
    update={
        "default_branch": Check(str, filled=True),
        "default_cluster_id": Check(str, accepts=is_uuid),
        "default_timeout_in_minutes": _minutes(),
        "maximum_timeout_in_minutes": _minutes(),
        "scheduled_job_expiry_in_minutes": _minutes(),
    },
    defaults=lambda organization: {
        "default_branch": "main",
        "default_cluster_id": organization.cluster_id,
        "default_timeout_in_minutes": None,
        "maximum_timeout_in_minutes": None,
        "scheduled_job_expiry_in_minutes": None,
        _HOSTED_SSH: None,
        _PUBLIC: None,
        _METRICS: None,
        "build_exports": _NO_EXPORT,
    },
    validate=_validate_pipeline,
    event="OrganizationUpdated",
)


def _switches(place: str, name: str, *methods: str) -> tuple[Route, ...]:
    """Return the routes that enable (PUT) and disable (DELETE) a setting."""

    def turn_on(request: ApiRequest) -> Reply:
        require_administrator(request)
        already = PIPELINE_SETTINGS.of(request.organization)[name]
        return PIPELINE_SETTINGS.put(
            request, {name: already or turned_on(request.context.lifecycle.now, request.token.user)}
        )

    def turn_off(request: ApiRequest) -> Reply:
        require_administrator(request)
        return PIPELINE_SETTINGS.put(request, {name: None})

    handlers = {"PUT": turn_on, "DELETE": turn_off}
    return tuple(route(method, f"{PIPELINE_SETTINGS.path}/{place}", _WRITE, handlers[method]) for method in methods)


def configure_build_export(request: ApiRequest) -> Reply:
    """Enable build exports; a bucket URI is reduced to the bucket's name."""
    _require_build_exports(request)
    body = request.body()
    require_valid(body, _EXPORT_CHECKS)
    location = body["location"].strip().removeprefix("s3://").removeprefix("gs://")
    return _put_export(request, {"location": location, "strategy_id": body["strategy_id"]})


def disable_build_export(request: ApiRequest) -> Reply:
    """Disable build exports."""
    _require_build_exports(request)
    return _put_export(request, _NO_EXPORT)


def _put_export(request: ApiRequest, export: Json) -> Reply:
    return PIPELINE_SETTINGS.put(request, {"build_exports": export}, "OrganizationBuildExportUpdated")


def _require_build_exports(request: ApiRequest) -> None:
    require_administrator(request)
    if "build_exports" in request.organization.missing_features:
        raise ApiError(403, "Your plan doesn't include build exports")


_EXPORT = PIPELINE_SETTINGS.path + "/build-export"

ROUTES = (
    *API_SETTINGS.routes(),
    *PIPELINE_SETTINGS.routes(),
    *_switches("hosted-agents-ssh", _HOSTED_SSH, "PUT", "DELETE"),
    *_switches("public-pipelines", _PUBLIC, "PUT", "DELETE"),
    *_switches("advanced-queue-metrics", _METRICS, "PUT"),
    route("PUT", _EXPORT, _WRITE, configure_build_export),
    route("DELETE", _EXPORT, _WRITE, disable_build_export),
)
