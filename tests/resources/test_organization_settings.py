"""Settings of a whole organization; its rate limits, and its emojis."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, PermissionDeniedError, RetryPolicy, UnprocessableEntityError
from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.fake.seeds import organizations as seed
from buildkite_orm.resources.organizations.api_settings import ApiSettings
from buildkite_orm.resources.organizations.emoji import Emoji
from buildkite_orm.resources.organizations.pipeline_settings import BuildExportStrategy, PipelineSettings
from buildkite_orm.resources.organizations.rate_limits import RateLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from buildkite_orm.fake.records import OrganizationRecord
    from buildkite_orm.resources.organizations.pipeline_settings import PipelineSettingsRef
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

    Verb = Callable[[PipelineSettingsRef], PipelineSettings]

ORGANIZATION = "/v2/organizations/acme"
API = f"{ORGANIZATION}/api-settings"
PIPELINE = f"{ORGANIZATION}/pipeline-settings"


@pytest.fixture
def record(server: FakeBuildkite) -> OrganizationRecord:
    """The organization as the fake keeps it."""
    return server.store.organizations["acme"]


# -- API settings


def test_api_settings_are_requested(bk: Buildkite, sent: Sent, costs: Costs) -> None:
    with costs(0):
        ref = bk.organization("acme").api_settings()
    with costs(1):
        settings = ref.fetch()
    assert sent() == (f"GET {API}", None)
    assert settings == ref
    assert settings.organization == bk.organization("acme")
    assert (settings.allowed_ip_addresses, settings.revoke_inactive_tokens_after_days) == (None, None)
    assert settings.restrict_user_api_token_creation is False
    assert settings.features is not None
    assert settings.features.dump() == {"api_ip_allow_list": True, "inactive_api_token_revocation": True}


def test_all_of_them_are_updated_with_one_request(bk: Buildkite, sent: Sent, costs: Costs) -> None:
    changes: dict[str, Any] = {
        "allowed_ip_addresses": "192.0.2.0/24 198.51.100.0/24",
        "revoke_inactive_tokens_after_days": 90,
        "restrict_user_api_token_creation": True,
    }
    with costs(1):
        settings = bk.organization("acme").api_settings().update(**changes)
    assert sent() == (f"PATCH {API}", changes)
    assert settings.dump().items() >= changes.items()
    assert settings.reload().dump().items() >= changes.items()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("allowed_ip_addresses", None),
        ("allowed_ip_addresses", ""),
        ("revoke_inactive_tokens_after_days", None),
        ("restrict_user_api_token_creation", False),
    ],
)
def test_unset_null_empty_and_false_are_distinguished(bk: Buildkite, sent: Sent, field: str, value: object) -> None:
    ref = bk.organization("acme").api_settings()
    settings = ref.update(
        allowed_ip_addresses="192.0.2.0/24", revoke_inactive_tokens_after_days=30, restrict_user_api_token_creation=True
    )
    before = settings.dump()
    setattr(settings, field, value)
    settings.save()
    assert sent() == (f"PATCH {API}", {field: value})
    assert ref.fetch().dump() == {**before, field: value}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("allowed_ip_addresses", "192.0.2.1"),
        ("allowed_ip_addresses", "localhost/8"),
        ("revoke_inactive_tokens_after_days", 31),
        ("restrict_user_api_token_creation", "yes"),
        ("restrict_user_api_token_creation", None),
    ],
)
def test_a_setting_that_is_not_accepted_changes_nothing(bk: Buildkite, field: str, value: object) -> None:
    settings = bk.organization("acme").api_settings().fetch()
    before, changes = settings.dump(), {field: value}
    with pytest.raises(UnprocessableEntityError, match=field):
        settings.update(extra=changes)
    assert settings.reload().dump() == before


def test_settings_that_the_plan_lacks_are_refused_by_name(bk: Buildkite, record: OrganizationRecord) -> None:
    record.missing_features |= {"api_ip_allow_list", "inactive_api_token_revocation"}
    settings = bk.organization("acme").api_settings().update(restrict_user_api_token_creation=True)
    assert settings.features is not None
    assert settings.features.dump() == {"api_ip_allow_list": False, "inactive_api_token_revocation": False}
    with pytest.raises(PermissionDeniedError, match="api_ip_allow_list"):
        settings.update(allowed_ip_addresses="192.0.2.0/24")
    with pytest.raises(PermissionDeniedError, match="inactive_api_token_revocation"):
        settings.update(revoke_inactive_tokens_after_days=None)


# -- pipeline settings


def test_pipeline_settings_are_requested(bk: Buildkite, record: OrganizationRecord, sent: Sent, costs: Costs) -> None:
    with costs(1):
        settings = bk.organization("acme").pipeline_settings().fetch()
    assert sent() == (f"GET {PIPELINE}", None)
    assert settings == bk.organization("acme").pipeline_settings()
    assert settings.organization == bk.organization("acme")
    assert (settings.default_branch, settings.default_cluster_id) == ("main", record.cluster_id)
    assert settings.advanced_queue_metrics is not None
    assert settings.advanced_queue_metrics.disable_supported is False
    assert settings.build_exports is not None
    assert settings.build_exports.supported_strategies == list(BuildExportStrategy)


def test_everything_simple_is_updated(
    bk: Buildkite, server: FakeBuildkite, record: OrganizationRecord, sent: Sent, costs: Costs
) -> None:
    cluster = server.store.add_cluster(record, "Another")
    changes: dict[str, Any] = {
        "default_branch": "trunk",
        "default_cluster_id": cluster.id,
        "default_timeout_in_minutes": 60,
        "maximum_timeout_in_minutes": 120,
        "scheduled_job_expiry_in_minutes": 30,
    }
    with costs(1):
        settings = bk.organization("acme").pipeline_settings().update(**changes)
    assert sent() == (f"PATCH {PIPELINE}", changes)
    assert settings.dump().items() >= changes.items()
    assert server.add_pipeline("web").cluster_id == cluster.id


@pytest.mark.parametrize(
    "field",
    [
        "default_cluster_id",
        "default_timeout_in_minutes",
        "maximum_timeout_in_minutes",
        "scheduled_job_expiry_in_minutes",
    ],
)
def test_null_clears_and_unset_fields_stay(bk: Buildkite, sent: Sent, field: str) -> None:
    settings = bk.organization("acme").pipeline_settings().fetch()
    settings.update(default_timeout_in_minutes=10, maximum_timeout_in_minutes=20, scheduled_job_expiry_in_minutes=30)
    before = settings.dump()
    setattr(settings, field, None)
    assert settings.save().dump() == {**before, field: None}
    assert sent() == (f"PATCH {PIPELINE}", {field: None})


@pytest.mark.parametrize(
    ("problem", "changes"),
    [
        ("default_cluster_id", {"default_cluster_id": "linux"}),
        ("Default cluster must exist", {"default_cluster_id": "01234567-89ab-cdef-0123-456789abcdef"}),
        ("default_branch", {"default_branch": ""}),
        ("must not exceed", {"default_timeout_in_minutes": 2, "maximum_timeout_in_minutes": 1}),
        ("scheduled_job_expiry_in_minutes", {"scheduled_job_expiry_in_minutes": 0}),
    ],
)
def test_a_value_that_is_not_accepted_changes_nothing(bk: Buildkite, problem: str, changes: dict[str, Any]) -> None:
    settings = bk.organization("acme").pipeline_settings().fetch()
    before = settings.dump()
    with pytest.raises(UnprocessableEntityError, match=problem):
        settings.update(**changes)
    assert settings.reload().dump() == before


SWITCHES: list[tuple[str, str, Verb, Verb | None]] = [
    (
        "hosted-agents-ssh",
        "hosted_agents_terminal_access",
        lambda settings: settings.enable_hosted_agents_ssh(),
        lambda settings: settings.disable_hosted_agents_ssh(),
    ),
    (
        "public-pipelines",
        "public_pipeline_creation",
        lambda settings: settings.enable_public_pipelines(),
        lambda settings: settings.disable_public_pipelines(),
    ),
    (
        "advanced-queue-metrics",
        "advanced_queue_metrics",
        lambda settings: settings.enable_advanced_queue_metrics(),
        None,
    ),
]


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_is_changed_with_one_request(
    bk: Buildkite, sent: Sent, costs: Costs, switch: tuple[str, str, Verb, Verb | None]
) -> None:
    place, field, enable, disable = switch
    ref, user = bk.organization("acme").pipeline_settings(), bk.user()
    with costs(1):
        settings = enable(ref)
    assert sent() == (f"PUT {PIPELINE}/{place}", None)
    assert settings == ref
    on = getattr(settings, field)
    assert on.enabled is True
    assert on.enabled_at == datetime(2026, 8, 1, 12, tzinfo=UTC)
    assert (on.enabled_by.id, on.enabled_by.name) == (user.id, "Ada Lovelace")
    if disable is None:
        return
    with costs(1):
        off = getattr(disable(settings), field)
    assert sent() == (f"DELETE {PIPELINE}/{place}", None)
    assert (off.enabled, off.enabled_at, off.enabled_by) == (False, None, None)
    assert getattr(settings, field).enabled is True  # a verb returns a new object
    assert getattr(settings.reload(), field).enabled is False


def test_enabling_an_enabled_setting_changes_nothing(bk: Buildkite, server: FakeBuildkite) -> None:
    ref = bk.organization("acme").pipeline_settings()
    before = ref.enable_public_pipelines().dump()
    server.clock.advance(60)
    assert ref.enable_public_pipelines().dump() == before


def test_it_may_be_turned_again_since_that_is_the_same(bk: Buildkite, server: FakeBuildkite) -> None:
    server.faults.add("error", status=502)
    settings = bk.organization("acme").pipeline_settings().enable_hosted_agents_ssh()
    assert settings.hosted_agents_terminal_access is not None
    assert settings.hosted_agents_terminal_access.enabled
    assert len(server.requests) == 2


@pytest.mark.parametrize(("location", "bucket"), [("my-bucket", "my-bucket"), ("s3://my-bucket", "my-bucket")])
def test_a_build_export_is_configured_and_disabled(
    bk: Buildkite, sent: Sent, costs: Costs, location: str, bucket: str
) -> None:
    ref = bk.organization("acme").pipeline_settings()
    with costs(1):
        export = ref.configure_build_export(location=location, strategy_id="s3").build_exports
    assert sent() == (f"PUT {PIPELINE}/build-export", {"location": location, "strategy_id": "s3"})
    assert export is not None
    assert (export.available, export.enabled, export.location) == (True, True, bucket)
    assert export.strategy_id is BuildExportStrategy.S3
    with costs(1):
        export = ref.disable_build_export().build_exports
    assert sent() == (f"DELETE {PIPELINE}/build-export", None)
    assert export is not None
    assert (export.enabled, export.location, export.strategy_id) == (False, None, None)


@pytest.mark.parametrize(
    ("problem", "arguments"),
    [("location", ("  ", "s3")), ("location", (3, "s3")), ("strategy_id", ("b", BuildExportStrategy("azure")))],
)
def test_an_export_that_is_not_accepted(bk: Buildkite, problem: str, arguments: tuple[Any, Any]) -> None:
    ref = bk.organization("acme").pipeline_settings()
    with pytest.raises(UnprocessableEntityError, match=problem):
        ref.configure_build_export(location=arguments[0], strategy_id=arguments[1])


def test_exports_are_for_some_plans_only(bk: Buildkite, record: OrganizationRecord) -> None:
    record.missing_features.add("build_exports")
    settings = bk.organization("acme").pipeline_settings().fetch()
    assert settings.build_exports is not None
    assert settings.build_exports.available is False
    with pytest.raises(PermissionDeniedError, match="build exports"):
        settings.configure_build_export(location="my-bucket", strategy_id=BuildExportStrategy.GCS)
    with pytest.raises(PermissionDeniedError, match="build exports"):
        settings.disable_build_export()


# -- permissions


def test_each_needs_its_scope(server: FakeBuildkite) -> None:
    with server.client(token=server.make_token("read_organization_settings")) as bk:
        org = bk.organization("acme")
        assert org.api_settings().fetch().features is not None
        assert org.pipeline_settings().fetch().build_exports is not None
        with pytest.raises(PermissionDeniedError, match="write_organization_settings"):
            org.api_settings().update(restrict_user_api_token_creation=True)
        with pytest.raises(PermissionDeniedError, match="write_organization_settings"):
            org.pipeline_settings().enable_public_pipelines()
    token = server.make_token("write_organization_settings")
    with server.client(token=token) as bk, pytest.raises(PermissionDeniedError, match="read_organization_settings"):
        bk.organization("acme").pipeline_settings().fetch()


def test_only_administrators_reach_settings(server: FakeBuildkite) -> None:
    member = server.add_user("Grace Hopper", "grace@acme.example")
    scopes = ("read_organization_settings", "write_organization_settings")
    with server.client(token=server.make_token(*scopes, user=member)) as bk:
        api, pipeline = bk.organization("acme").api_settings(), bk.organization("acme").pipeline_settings()
        operations: list[Callable[[], object]] = [
            api.fetch,
            api.update,
            pipeline.fetch,
            pipeline.update,
            pipeline.enable_public_pipelines,
            pipeline.disable_public_pipelines,
            pipeline.disable_build_export,
        ]
        for operation in operations:
            with pytest.raises(PermissionDeniedError, match="administrator"):
                operation()


# -- rate limits


def test_rate_limits_are_requested() -> None:
    with FakeBuildkite(populate=False, settings=Settings(organization_limit=7)) as server, server.client() as bk:
        org = bk.organization("acme")
        limits = org.rate_limits().fetch()
        assert [request.line for request in server.requests] == [f"GET {ORGANIZATION}/rate_limit"]
        assert limits == org.rate_limits()
        assert limits.organization == org
        rest, graphql = limits.scopes.rest, limits.scopes.graphql
        assert rest is not None
        assert (rest.limit, rest.current, rest.reset, rest.enforced) == (7, 1, 60, True)
        assert rest.reset_at == datetime(2026, 8, 1, 12, 1, tzinfo=UTC)
        assert graphql is not None
        assert graphql.limit == 50_000
        limits.reload()
        assert limits.scopes.rest is not None
        assert limits.scopes.rest.current == 2


def test_a_limit_that_is_not_enforced_says_so(bk: Buildkite) -> None:
    rest = bk.organization("acme").rate_limits().fetch().scopes.rest
    assert rest is not None
    assert rest.enforced is False


def test_rate_limits_need_their_scope(server: FakeBuildkite) -> None:
    token = server.make_token("read_organizations")
    with server.client(token=token) as bk, pytest.raises(PermissionDeniedError, match="read_accounts"):
        bk.organization("acme").rate_limits().fetch()


# -- emojis


def test_emojis_are_listed(bk: Buildkite, sent: Sent, costs: Costs) -> None:
    with costs(1):
        emojis = {emoji.name: emoji for emoji in bk.organization("acme").emojis()}
    assert sent() == (f"GET {ORGANIZATION}/emojis?per_page=100", None)
    rocket, shipit = emojis["rocket"], emojis["shipit"]
    assert rocket.url.endswith("1f680.png?v1")
    assert (rocket.aliases, shipit.aliases) == ([], ["squirrel"])
    assert "aliases" not in rocket.dump()
    assert repr(rocket) == "Emoji(:rocket:)"
    assert rocket != shipit
    assert rocket in bk.organization("acme").emojis()
    assert rocket.organization == bk.organization("acme")


def test_emojis_need_a_token_and_no_scope(server: FakeBuildkite) -> None:
    with server.client(token=server.make_token()) as bk:
        assert bk.organization("acme").emojis()
        with pytest.raises(NotFoundError, match="No organization found"):
            list(bk.organization("unknown").emojis())


# -- all of it


def test_seeded_objects_exist() -> None:
    with FakeBuildkite() as server, server.client(retry=RetryPolicy(attempts=1)) as bk:
        acme = server.store.organizations["acme"]
        if not acme.collections.of("emoji", acme.id):
            seed.populate(server.context, acme)
        org = bk.organization("acme")
        assert org.api_settings().fetch().revoke_inactive_tokens_after_days == 90
        export = org.pipeline_settings().fetch().build_exports
        assert export is not None
        assert export.location == "acme-builds"
        assert "acme" in {emoji.name for emoji in org.emojis()}
        webhook, datadog, slack = org.notification_services()
        assert (webhook.settings["token"], datadog.settings["api_key"]) == ("not-a-secret", "XXXXXXXXXXXXcdef")
        assert (slack.enabled, slack.settings) == (False, {})
        assert org.audit_events()[0].type == "NotificationServiceBrokenEvent"
        github, _ = org.repository_connections()
        assert {each.full_name for each in github.repositories()} > {"acme/web", "acme/api"}


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    examples(ApiSettings, *(f"organizations/api_settings/{verb}-api-settings" for verb in ("get", "update")))
    examples(
        PipelineSettings, *(f"organizations/pipeline_settings/{verb}-pipeline-settings" for verb in ("get", "update"))
    )
    examples(RateLimits, "organizations/rate_limits/get-rate-limits")
    examples(Emoji, "emojis/list-emojis")
