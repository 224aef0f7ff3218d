"""The variables of `if` expressions, from a build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.pipeline_yaml.conditionals import Values, evaluate
from buildkite_orm.fake.wildcards import allows

if TYPE_CHECKING:
    from buildkite_orm.fake.records import BuildRecord, Json
    from buildkite_orm.fake.steps import Step


def omission(step: Step, build: BuildRecord) -> str | None:
    """Return the documented reason why a build does not include a step, empty if it has none; None if it does."""
    if not getattr(step, "condition", True):
        return "conditional_failed"
    if step.branches is not None and not allows(step.branches, build.branch):
        return "branch_mismatch"
    if step.if_ is not None and not evaluate(step.if_, values_of(build)):
        return "conditional_failed"
    if getattr(step, "parallelism", None) == 0:
        return "parallelism_zero"
    return (step.skip if isinstance(step.skip, str) else "") if step.skip else None


def values_of(build: BuildRecord) -> Values:
    """Return what the expressions of a build's steps are evaluated with."""
    pipeline, organization = build.pipeline, build.organization
    variables: dict[str, Any] = {
        **_person("build.author", build.author or {}),
        **_person("build.creator", _creator(build)),
        "build.branch": build.branch,
        "build.commit": build.commit,
        "build.id": build.id,
        "build.message": build.message,
        "build.number": build.number,
        "build.source": build.source,
        "build.state": build.state,
        "build.tag": build.tag,
        **_pull_request(build.pull_request or {}),
        "build.merge_queue.base_branch": (build.merge_queue or {}).get("base_branch"),
        "build.merge_queue.base_commit": (build.merge_queue or {}).get("base_commit"),
        "pipeline.default_branch": pipeline.default_branch,
        "pipeline.id": pipeline.id,
        "pipeline.repository": pipeline.repository,
        "pipeline.slug": pipeline.slug,
        "organization.id": organization.id,
        "organization.slug": organization.slug,
    }
    return Values(variables, {name: str(value) for name, value in _env(build).items()})


def _person(prefix: str, person: Json) -> Json:
    return {f"{prefix}.{name}": person.get(name) for name in ("email", "id", "name")} | {
        f"{prefix}.teams": person.get("teams") or []
    }


def _creator(build: BuildRecord) -> Json:
    creator = build.creator
    return {} if creator is None else {"email": creator.email, "id": creator.id, "name": creator.name}


def _pull_request(pull_request: Json) -> Json:
    identity, repository = pull_request.get("id"), pull_request.get("repository")
    return {
        "build.pull_request.id": None if identity is None else str(identity),
        "build.pull_request.base_branch": pull_request.get("base") or pull_request.get("base_branch"),
        "build.pull_request.repository": repository,
        **{f"build.pull_request.{name}": pull_request.get(name) for name in ("draft", "label")},
        "build.pull_request.labels": pull_request.get("labels") or [],
        "build.pull_request.repository.fork": pull_request.get("fork"),
    }


def _env(build: BuildRecord) -> Json:
    """Return the environment of `build.env()`: variables of the pipeline and the build, and the documented others."""
    pipeline, trigger, rebuilt = build.pipeline, build.triggered_from, build.rebuilt_from
    standard: Json = {
        "BUILDKITE_BRANCH": build.branch,
        "BUILDKITE_TAG": build.tag,
        "BUILDKITE_MESSAGE": build.message,
        "BUILDKITE_COMMIT": build.commit,
        "BUILDKITE_PIPELINE_SLUG": pipeline.slug,
        "BUILDKITE_PIPELINE_NAME": pipeline.name,
        "BUILDKITE_PIPELINE_ID": pipeline.id,
        "BUILDKITE_ORGANIZATION_SLUG": build.organization.slug,
        "BUILDKITE_TRIGGERED_FROM_BUILD_ID": trigger and trigger.build.id,
        "BUILDKITE_TRIGGERED_FROM_BUILD_NUMBER": trigger and trigger.build.number,
        "BUILDKITE_TRIGGERED_FROM_BUILD_PIPELINE_SLUG": trigger and trigger.build.pipeline.slug,
        "BUILDKITE_REBUILT_FROM_BUILD_ID": rebuilt and rebuilt.id,
        "BUILDKITE_REBUILT_FROM_BUILD_NUMBER": rebuilt and rebuilt.number,
        "BUILDKITE_REPO": pipeline.repository,
        "BUILDKITE_PULL_REQUEST": (build.pull_request or {}).get("id") or "false",
        "BUILDKITE_PULL_REQUEST_BASE_BRANCH": (build.pull_request or {}).get("base"),
        "BUILDKITE_PULL_REQUEST_REPO": (build.pull_request or {}).get("repository"),
    }
    known = {name: value for name, value in standard.items() if value is not None}
    return {**(pipeline.env or {}), **(build.env or {}), **known}
