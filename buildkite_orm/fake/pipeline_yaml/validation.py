"""Validate a pipeline: known steps, known keys, valid values, unique step keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError
from buildkite_orm.fake.pipeline_yaml.keys import PIPELINE, STEPS
from buildkite_orm.fake.pipeline_yaml.values import is_list, is_map

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildkite_orm.fake.pipeline_yaml.keys import Key
    from buildkite_orm.fake.records import Json

_BY_NAME = {
    "wait": "wait", "waiter": "wait", "block": "block", "input": "input", "trigger": "trigger", "group": "group",
    "command": "command", "commands": "command", "plugins": "command",
}  # fmt: skip
_AGENT = "buildkite-agent"
_AGENT_NOTE = f"{_AGENT} in commands"
_MOST_STEPS = 500


@dataclass(slots=True)
class ValidPipeline:
    """A pipeline whose steps have a `type`, the canonical names of their keys, and nothing unknown."""

    steps: list[Json]
    env: Json
    agents: Any
    priority: Any = None
    ignored: list[str] = field(default_factory=list[str])


def validate(document: Any) -> ValidPipeline:
    """Return the validated steps of a pipeline: a map with `steps`, or a bare list of steps.

    Raises:
        PipelineYamlError: It is not a valid pipeline.
    """
    if is_list(document):
        document = {"steps": document}
    top: Any = document
    if not is_map(top) or not isinstance(top.get("steps"), list) or not top["steps"]:
        raise PipelineYamlError("a pipeline is a map with `steps`, a list of at least one step")
    pipeline = ValidPipeline([], top.get("env") or {}, top.get("agents"), top.get("priority"))
    for key in PIPELINE:
        if key.name in top:
            _check_value("the pipeline", key, key.name, top[key.name])
            _note_ignored(pipeline, key, "pipeline")
    pipeline.steps = [_step(pipeline, step, f"steps[{place}]") for place, step in enumerate(top["steps"])]
    _check_keys(pipeline.steps)
    return pipeline


def _note_ignored(pipeline: ValidPipeline, key: Key, kind: str) -> None:
    name = f"{key.name} ({kind})"
    if key.treatment == "accepted with a warning" and name not in pipeline.ignored:
        pipeline.ignored.append(name)


def _step(pipeline: ValidPipeline, step: Any, where: str, *, in_group: bool = False) -> Json:
    given = _mapping(step, where)
    kind = _kind(given, where)
    if kind == "group" and in_group:
        raise PipelineYamlError(f"{where}: a group cannot be inside another group")
    keys = {name: key for key in STEPS[kind] for name in key.names}
    valid: Json = {"type": kind}
    for name, value in given.items():
        if name == "type":
            continue
        key = keys.get(name)
        if key is None or key.treatment == "refused":
            known = ", ".join(name for name, each in keys.items() if each.treatment != "refused")
            raise PipelineYamlError(f"{where}: unknown key {name!r} of a {kind} step, expected one of: {known}")
        _check_value(where, key, name, value)
        _note_ignored(pipeline, key, kind)
        if name == key.name or key.name not in given or given[key.name] is None:
            valid[key.name] = value
    _check_combinations(valid, where)
    if _AGENT in str(valid.get("command", "")) and _AGENT_NOTE not in pipeline.ignored:
        pipeline.ignored.append(_AGENT_NOTE)
    if kind == "group":
        valid["steps"] = _steps_of_group(pipeline, valid.get("steps"), where)
    return valid


def _mapping(step: Any, where: str) -> Json:
    if isinstance(step, str) and step in {"wait", "waiter", "block", "input"}:
        return {step: None}
    if not is_map(step):
        raise PipelineYamlError(f"{where}: a step is a map, or one of: wait, block, input")
    given = dict(step)
    if given.get("type") == "script":
        given["type"] = "command"
    return given


def _kind(given: Json, where: str) -> str:
    """Return the type of a step, from the key that only steps of this type have."""
    kinds = {_BY_NAME[name] for name in given if name in _BY_NAME and name != "plugins"}
    kinds |= {_BY_NAME[given["type"]]} if given.get("type") in _BY_NAME else set[str]()
    kinds = kinds or ({"command"} if "plugins" in given else set[str]())
    if len(kinds) != 1:
        found = ", ".join(sorted(kinds)) or "none of them"
        names = ", ".join(STEPS)
        raise PipelineYamlError(f"{where}: a step has exactly one of the keys {names}; this one has {found}")
    return kinds.pop()


def _check_value(where: str, key: Key, name: str, value: Any) -> None:
    if (expected := key.check(value)) is not None:
        raise PipelineYamlError(f"{where}: {name} must be {expected}")


def _check_combinations(step: Json, where: str) -> None:
    for first, second in (("if", "branches"), ("matrix", "parallelism")):
        if step.get(first) is not None and step.get(second) is not None:
            raise PipelineYamlError(f"{where}: {first} and {second} cannot be used together")
    if step["type"] == "trigger" and not step.get("trigger"):
        raise PipelineYamlError(f"{where}: trigger must be the slug of a pipeline")
    if step["type"] == "command" and (
        ("concurrency" in step) != ("concurrency_group" in step)
        or ("concurrency_method" in step and "concurrency_group" not in step)
    ):
        raise PipelineYamlError(f"{where}: concurrency and concurrency_group must be used together")


def _steps_of_group(pipeline: ValidPipeline, steps: Any, where: str) -> list[Json]:
    if not is_list(steps) or not steps:
        raise PipelineYamlError(f"{where}: a group has `steps`, a list of at least one step")
    return [_step(pipeline, step, f"{where}.steps[{place}]", in_group=True) for place, step in enumerate(steps)]


def _every(steps: Iterable[Json]) -> Iterator[Json]:
    for step in steps:
        yield step
        yield from step["steps"] if step["type"] == "group" else ()


def _check_keys(steps: list[Json]) -> None:
    every = list(_every(steps))
    if len(every) > _MOST_STEPS:
        raise PipelineYamlError(f"a pipeline has at most {_MOST_STEPS} steps, this one has {len(every)}")
    seen: set[str] = set()
    for step in every:
        if (key := step.get("key")) is None:
            continue
        if str(key) in seen:
            raise PipelineYamlError(f"the key {key!r} is used by more than one step")
        seen.add(str(key))
