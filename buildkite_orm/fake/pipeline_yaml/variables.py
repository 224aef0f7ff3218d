"""The variables of `if` expressions, from a build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.environments import variables_of
from buildkite_orm.fake.memberships import teams_of
from buildkite_orm.fake.pipeline_yaml.conditionals import Values, evaluate
from buildkite_orm.fake.wildcards import allows

if TYPE_CHECKING:
    from buildkite_orm.fake.records import BuildRecord, Json
    from buildkite_orm.fake.steps import Step


def omission(step: Step, build: BuildRecord, env: Json) -> str | None:
    """Return the documented reason why a build does not include a step, empty if it has none; None if it does.

    `env` are the variables of the pipeline.
    """
    if not getattr(step, "condition", True):
        return "conditional_failed"
    if step.branches is not None and not allows(step.branches, build.branch):
        return "branch_mismatch"
    if step.if_ is not None and not evaluate(step.if_, values_of(build, env)):
        return "conditional_failed"
    if getattr(step, "parallelism", None) == 0:
        return "parallelism_zero"
    return (step.skip if isinstance(step.skip, str) else "") if step.skip else None


def values_of(build: BuildRecord, env: Json) -> Values:
    """Return what the expressions of a build's steps are evaluated with."""
    pipeline, organization = build.pipeline, build.organization
    variables: dict[str, Any] = {
        **_person("build.author", build, _author(build)),
        **_person("build.creator", build, _creator(build)),
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
    given = {**env, **(build.env or {})}
    return Values(variables, {name: str(value) for name, value in given.items()} | variables_of(build))


def _person(prefix: str, build: BuildRecord, person: Json) -> Json:
    fields = {f"{prefix}.{name}": person.get(name) for name in ("email", "id", "name")}
    teams = teams_of(build.organization, str(person.get("id"))).values()
    return {**fields, f"{prefix}.teams": list(teams)}


def _author(build: BuildRecord) -> Json:
    """Return the author of the commit, with the id of the member who has the same email address."""
    author = build.author or {}
    member = next((each for each in build.organization.users if each.email == author.get("email")), None)
    return {**author, "id": author.get("id") or (member and member.id)}


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
