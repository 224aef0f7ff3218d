"""Visual steps: from the bodies of requests to the steps that builds run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.validation import texts_of
from buildkite_orm.fake.payloads.pipelines import visual_step
from buildkite_orm.fake.pipeline_yaml.expansion import trigger_step
from buildkite_orm.fake.steps import BlockStep, CommandStep, TriggerStep, WaitStep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkite_orm.fake.records import Json
    from buildkite_orm.fake.steps import Step


def visual_steps(given: Iterable[Json]) -> list[Json]:
    """Return visual steps in the form in which pipelines render them."""
    return [_visual(each) for each in given]


def _visual(given: Json) -> Json:
    if given["type"] == "script":
        step: Json = {**visual_step(given.get("command") or ""), "agent_query_rules": []}
        given_fields = {name: given[name] for name in step.keys() & given.keys()}
        return step | given_fields | ({"env": texts_of(given_fields["env"])} if "env" in given_fields else {})
    if given["type"] == "trigger":
        step = trigger_step(given["trigger_project_slug"], given.get("label"))
        build = {name: given.get(f"trigger_{name}") for name in ("branch", "commit", "message")}
        build["env"] = given.get("trigger_env") and texts_of(given["trigger_env"])
        return step | {"build": build, "async": bool(given.get("trigger_async"))}
    return {name: given[name] for name in ("type", "label") if name in given}


def plan_of(steps: Iterable[Json]) -> list[Step]:
    """Return the steps that builds run, from visual steps."""
    return [_plan(each) for each in steps]


def _plan(step: Json) -> Step:
    if step["type"] == "waiter":
        return WaitStep()
    if step["type"] == "manual":
        return BlockStep(label=step.get("label") or "Continue?")
    if step["type"] == "trigger":
        build = step["build"]
        return TriggerStep(
            pipeline=step["pipeline"],
            label=step["label"],
            async_=step["async"],
            branch=build["branch"],
            commit=build["commit"],
            message=build["message"],
            env=texts_of(build["env"]),
            parallelism=step["parallelism"] or None,
            branches=step["branch_configuration"],
        )
    minutes = step["timeout_in_minutes"]
    return CommandStep(
        label=step["name"],
        command=step["command"],
        agents=tuple(step["agent_query_rules"] or ["queue=default"]),
        env=texts_of(step["env"]),
        artifact_paths=step["artifact_paths"],
        parallelism=step["parallelism"] or None,
        branches=step["branch_configuration"],
        timeout=None if not minutes else minutes * 60.0,
        real=True,
    )
