"""A small organization with one of everything, requests that write to it, and what loads all of it again."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, cast

from buildkite_orm import Job
from buildkite_orm.fake import BlockStep, CommandStep, Step, TriggerStep
from buildkite_orm.fake.handlers.test_engine import records
from buildkite_orm.fake.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Response, Session

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

ORGANIZATION = "/organizations/{org}"
PIPELINE = ORGANIZATION + "/pipelines/{pipeline}"
BUILD = PIPELINE + "/builds/{number}"
JOB = ORGANIZATION + "/jobs/{job}"
CLUSTER = ORGANIZATION + "/clusters/{cluster}"
TEAM = ORGANIZATION + "/teams/{team}"
REGISTRIES = "/packages/organizations/{org}/registries"
SUITES = "/analytics/organizations/{org}/suites"
STEPS = 'steps:\n  - command: "make"\n  - block: "Go?"\n'

_NOTE = ("body", "style", "priority", "context", "append")
_LOOKS = ("name", "description", "emoji", "color")
_PIPELINE = (
    "name cluster_id repository configuration slug steps allow_rebuilds branch_configuration "
    "cancel_running_branch_builds cancel_running_branch_builds_filter clone_mirror_url color default_branch "
    "default_command_step_timeout description emoji env maximum_command_step_timeout pipeline_template_uuid "
    "provider_settings skip_queued_branch_builds skip_queued_branch_builds_filter tags teams visibility"
)
_BUILD = (
    "commit branch author clean_checkout env ignore_pipeline_branch_filters message meta_data pull_request_base_branch "
    "pull_request_id pull_request_labels pull_request_repository"
)
_TEAM = (
    "name description privacy is_default_team default_member_role members_can_create_pipelines "
    "members_can_create_suites members_can_create_registries members_can_destroy_registries "
    "members_can_destroy_packages"
)
_PIPELINE_SETTINGS = (
    "default_branch default_cluster_id default_timeout_in_minutes maximum_timeout_in_minutes "
    "scheduled_job_expiry_in_minutes"
)
_SERVICE = "provider description branch_configuration scope scope_uuids build_states settings"
_SUITE = "name default_branch application_name color emoji oidc_policy team_ids show_api_token"

# the fields of bodies, by the paths that take them; those that create objects are first
FIELDS: dict[str, tuple[str, ...]] = {
    ORGANIZATION + "/pipeline-templates": ("name", "configuration", "description", "available"),
    ORGANIZATION + "/pipelines": tuple(_PIPELINE.split()),
    PIPELINE + "/schedules": ("cronline", "label", "message", "commit", "branch", "env", "enabled"),
    PIPELINE + "/builds": tuple(_BUILD.split()),
    BUILD + "/annotations": _NOTE,
    JOB + "/annotations": _NOTE,
    ORGANIZATION + "/clusters": (*_LOOKS, "maintainers"),
    CLUSTER + "/queues": ("key", "description", "retry_agent_affinity", "hostedAgents"),
    CLUSTER + "/tokens": ("description", "expires_at", "allowed_ip_addresses"),
    CLUSTER + "/secrets": ("key", "value", "description", "policy"),
    CLUSTER + "/maintainers": ("user", "team"),
    CLUSTER + "/agent-images": ("name", "dockerfile"),
    ORGANIZATION + "/teams": tuple(_TEAM.split()),
    TEAM + "/members": ("user_id", "role"),
    TEAM + "/pipelines": ("pipeline_id", "access_level"),
    TEAM + "/suites": ("suite_id", "access_level"),
    ORGANIZATION + "/invitations": ("emails", "role", "sso_mode", "teams"),
    ORGANIZATION + "/services": tuple(_SERVICE.split()),
    ORGANIZATION + "/rules": ("type", "value"),
    ORGANIZATION + "/portals": ("name", "query", "slug", "description", "allowed_ip_addresses", "user_invokable"),
    REGISTRIES: (*_LOOKS, "ecosystem", "team_ids", "oidc_policy"),
    REGISTRIES + "/{registry}/tokens": ("description",),
    SUITES: tuple(_SUITE.split()),
    # requests that change objects or have other effects
    ORGANIZATION + "/api-settings": (
        "allowed_ip_addresses",
        "revoke_inactive_tokens_after_days",
        "restrict_user_api_token_creation",
    ),
    ORGANIZATION + "/pipeline-settings": tuple(_PIPELINE_SETTINGS.split()),
    ORGANIZATION + "/pipeline-settings/build-export": ("location", "strategy_id"),
    ORGANIZATION + "/members/{user}": ("role", "sso_mode"),
    ORGANIZATION + "/agents/{agent}/pause": ("note", "timeout_in_minutes"),
    ORGANIZATION + "/agents/{agent}/stop": ("force",),
    BUILD + "/retry_failed_jobs": ("states",),
    JOB + "/reprioritize": ("priority",),
    JOB + "/unblock": ("unblocker", "fields"),
    CLUSTER + "/queues/{queue}/pause_dispatch": ("note", "dispatch_paused_note"),
    CLUSTER + "/secrets/{secret}/value": ("value",),
    CLUSTER + "/cache_volumes": ("tag",),
    SUITES + "/{suite}/execution-tags": ("executions",),
    SUITES + "/{suite}/tests/{test}/labels": ("operator", "labels"),
    SUITES + "/{suite}/tests/find": ("scope", "name"),
    # what changes what the first ones create takes the same fields
    ORGANIZATION + "/pipeline-templates/{template}": ("name", "configuration", "description", "available"),
    PIPELINE: tuple(_PIPELINE.split()),
    PIPELINE + "/schedules/{schedule}": ("cronline", "label", "message", "commit", "branch", "env", "enabled"),
    CLUSTER: (*_LOOKS, "default_queue_id", "hosted_git_mirror_enabled", "hosted_container_cache_enabled"),
    CLUSTER + "/queues/{queue}": ("description", "retry_agent_affinity", "hostedAgents"),
    CLUSTER + "/tokens/{token}": ("description", "expires_at", "allowed_ip_addresses"),
    CLUSTER + "/secrets/{secret}": ("description", "policy", "key", "value"),
    TEAM: tuple(_TEAM.split()),
    TEAM + "/members/{user_id}": ("role",),
    TEAM + "/pipelines/{pipeline_id}": ("access_level",),
    TEAM + "/suites/{suite_id}": ("access_level",),
    ORGANIZATION + "/services/{service}": tuple(_SERVICE.split()[1:]),
    ORGANIZATION + "/portals/{portal}": (
        "name",
        "query",
        "slug",
        "description",
        "allowed_ip_addresses",
        "user_invokable",
    ),
    REGISTRIES + "/{registry}": ("name", "description", "oidc_policy"),
    REGISTRIES + "/{registry}/tokens/{token}": ("description",),
    SUITES + "/{suite}": tuple(_SUITE.split()),
}
WRITES = [(each.method, path.removeprefix("/v2")) for each in ROUTES if each.method != "GET" for path in each.paths]
READS = [path.removeprefix("/v2") for each in ROUTES if each.method == "GET" for path in each.paths]


class Acme:
    """An organization with one of everything; `keys` are the values of paths by the names that routes have."""

    def __init__(self, server: FakeBuildkite, session: Session) -> None:
        self.server = server
        self.session = session
        self._count = 0
        self.keys: dict[str, str] = {"org": "acme"}
        self._add_records()
        self._create_objects()

    def path(self, template: str) -> str:
        """Return a path in which every name stands for something that there is."""
        return re.sub(r"{(\w+)}", lambda found: self.keys.get(found[1], "none"), template)

    def send(self, method: str, template: str, **options: Any) -> Response:
        """Send a request."""
        return self.session.request(method, self.path(template), **options)

    def valid(self, name: str) -> Any:
        """Return a value that a field of a body may have."""
        self._count += 1
        if name in {"name", "slug", "key"}:
            return f"a{self._count}"
        return _values(self.keys).get(name, (name not in _FLAGS and f"a {name}") or True)

    def body(self, template: str) -> dict[str, Any]:
        """Return a body that a path takes."""
        body = {name: self.valid(name) for name in FIELDS.get(template, ())}
        for name, special in _SPECIAL.get(template, {}).items():
            if special is None:
                del body[name]
            else:
                body[name] = special(self.keys)
        return body

    def _add_records(self) -> None:
        server = self.server
        plan: list[Step] = [
            CommandStep(label="Test", command="make", key="test", duration=5),
            BlockStep(label="Go?", fields=({"key": "name", "required": False},)),
            TriggerStep(pipeline="other", async_=True),
        ]
        web, _ = server.add_pipeline("web", steps=plan), server.add_pipeline("other")
        acme, store = web.organization, server.store
        build = server.add_build(web, state="blocked", jobs=[{"state": "failed"}, {"type": "manual", "step": plan[1]}])
        job = build.jobs[0]
        suite = records.add_suite(store, acme, "Rspec")
        run, test = records.add_run(store, suite, build=build), records.add_test(store, suite, "passes")
        records.add_execution(store, suite, run, test)
        server.set_log(job, b"hello\r\n")
        self.keys |= {
            "pipeline": web.slug,
            "pipeline_id": web.id,
            "number": str(build.number),
            "build": build.id,
            "job": job.id,
            "manual": build.jobs[1].id,
            "artifact": server.add_artifact(job, "a.txt", b"a").id,
            "annotation": server.add_annotation(build).id,
            "agent": server.add_agent("agent").id,
            "user": server.add_user("Bob", "bob@acme.example").id,
            "user_id": acme.users[0].id,
            "cluster": acme.cluster_id,
            "suite": suite.data["slug"],
            "suite_id": suite.id,
            "run": run.id,
            "test": test.id,
        }

    def _create_objects(self) -> None:
        for template in list(FIELDS)[: list(FIELDS).index(SUITES) + 1]:
            created = self.send("POST", template, json=self.body(template))
            assert created.status_code in {200, 201}, (template, created.text)
            self._remember(template, created.json())

    def _remember(self, template: str, payload: Any) -> None:
        """Record the keys of a created object, unless there is one already."""
        name = _NAMES.get(template)
        if name is not None:
            created = cast("dict[str, Any]", payload[0] if isinstance(payload, list) else payload)
            self.keys.setdefault(name, str(created.get(_KEYS.get(name, "id")) or created.get("uuid")))


_KEYS = {"registry": "slug", "portal": "slug"}
_NAMES = {
    ORGANIZATION + "/pipeline-templates": "template",
    PIPELINE + "/schedules": "schedule",
    CLUSTER + "/queues": "queue",
    CLUSTER + "/tokens": "token",
    CLUSTER + "/secrets": "secret",
    CLUSTER + "/maintainers": "maintainer",
    CLUSTER + "/agent-images": "image",
    ORGANIZATION + "/teams": "team",
    ORGANIZATION + "/invitations": "invitation",
    ORGANIZATION + "/services": "service",
    ORGANIZATION + "/rules": "rule",
    ORGANIZATION + "/portals": "portal",
    REGISTRIES: "registry",
    REGISTRIES + "/{registry}/tokens": "token of a registry",
}
_FLAGS = frozenset(
    {
        *(name for name in _TEAM.split() if name.startswith(("is_", "members_"))),
        "append",
        "available",
        "enabled",
        "force",
        "allow_rebuilds",
        "cancel_running_branch_builds",
        "skip_queued_branch_builds",
        "clean_checkout",
        "ignore_pipeline_branch_filters",
        "hosted_git_mirror_enabled",
        "hosted_container_cache_enabled",
        "restrict_user_api_token_creation",
        "show_api_token",
        "user_invokable",
    }
)
_SPECIAL: dict[str, dict[str, Callable[[dict[str, str]], Any] | None]] = {
    ORGANIZATION + "/pipelines": {
        "steps": None,
        "clone_mirror_url": lambda _: "https://mirror.example/web.git",
        "teams": lambda _: {},
    },
    PIPELINE: {"steps": None, "slug": lambda keys: keys["pipeline"], "teams": lambda _: {}},
    CLUSTER + "/maintainers": {"team": None},
    CLUSTER + "/secrets/{secret}": {"key": None, "value": None},
    CLUSTER: {"default_queue_id": None},
    ORGANIZATION + "/rules": {"value": lambda _: {"source_pipeline": "web", "target_pipeline": "other"}},
    TEAM + "/suites": {"access_level": lambda _: ["read"]},
    TEAM + "/suites/{suite_id}": {"access_level": lambda _: ["read"]},
    ORGANIZATION + "/portals/{portal}": {"slug": lambda keys: keys["portal"]},
    CLUSTER + "/queues/{queue}": {"hostedAgents": lambda _: {"instanceShape": "LINUX_AMD64_4X16"}},
}


def _values(keys: dict[str, str]) -> dict[str, Any]:
    return {
        "access_level": "read_only",
        "allowed_ip_addresses": "192.0.2.0/24",
        "author": {"name": "Ada", "email": "ada@acme.example"},
        "branch": "main",
        "branch_configuration": "main feature/*",
        "build_states": {"build_failed": True},
        "cancel_running_branch_builds_filter": "!main",
        "clone_mirror_url": "https://mirror.example/web.git",
        "cluster_id": keys.get("cluster"),
        "color": "#F0CCFF",
        "configuration": STEPS,
        "cronline": "@daily",
        "default_branch": "main",
        "default_cluster_id": keys.get("cluster"),
        "default_command_step_timeout": 5,
        "default_member_role": "member",
        "default_timeout_in_minutes": 5,
        "dockerfile": "RUN true",
        "ecosystem": "ruby",
        "emails": ["new@acme.example"],
        "emoji": ":rocket:",
        "env": {"A": "b"},
        "executions": [{"id": "none", "tags": {"mut.a": "b"}}],
        "expires_at": "2027-01-01T00:00:00Z",
        "fields": {"name": "value"},
        "hostedAgents": {"instanceShape": "LINUX_AMD64_2X4"},
        "labels": ["slow"],
        "maintainers": [{"user": keys.get("user_id")}],
        "maximum_command_step_timeout": 50,
        "maximum_timeout_in_minutes": 50,
        "meta_data": {"a": "b"},
        "oidc_policy": [{"iss": "https://agent.buildkite.com", "claims": {}}],
        "operator": "add",
        "pipeline_id": keys.get("pipeline_id"),
        "pipeline_template_uuid": keys.get("template"),
        "priority": 3,
        "privacy": "visible",
        "provider": "webhook",
        "provider_settings": {"trigger_mode": "code"},
        "pull_request_id": 7,
        "pull_request_labels": ["bug"],
        "repository": "https://github.com/acme/new.git",
        "retry_agent_affinity": "prefer-warmest",
        "revoke_inactive_tokens_after_days": 30,
        "role": "member",
        "scheduled_job_expiry_in_minutes": 50,
        "scope": "all",
        "scope_uuids": [],
        "settings": {"url": "https://hooks.example"},
        "skip_queued_branch_builds_filter": "!main",
        "sso_mode": "required",
        "states": "failed",
        "steps": [{"type": "script", "command": "make"}],
        "strategy_id": "s3",
        "style": "info",
        "suite_id": keys.get("suite_id"),
        "tags": ["a"],
        "team": keys.get("team"),
        "team_ids": [],
        "teams": [{"id": keys.get("team"), "role": "member"}],
        "timeout_in_minutes": 5,
        "type": "pipeline.trigger_build.pipeline",
        "unblocker": keys.get("user_id"),
        "user": keys.get("user_id"),
        "user_id": keys.get("user_id"),
        "value": "a value",
        "visibility": "private",
    }


def load_everything(bk: Buildkite) -> list[Any]:
    """Load every listing of the organization, and of its contents."""
    organization = bk.organization("acme")
    loaded: list[Any] = [organization.api_settings().fetch(), organization.pipeline_settings().fetch()]
    waiting: list[Any] = [organization]
    while waiting:
        for listing in _listings(waiting.pop()):
            items = list(listing)
            loaded += items
            waiting += items
    return loaded


def _listings(owner: Any) -> Iterator[Any]:
    """Return the listings that an object has without arguments; artifacts of jobs are those of the build."""
    if isinstance(owner, Job):
        return
    for name, method in inspect.getmembers(owner.__class__, inspect.isfunction):
        signature = inspect.signature(method)
        positional = [each for each in signature.parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
        if str(signature.return_annotation).endswith("QuerySet") and len(positional) == 1 and name[0] != "_":
            yield getattr(owner, name)()
