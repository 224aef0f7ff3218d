"""What a pipeline says that its builds do: YAML, as far as the fake reads it, or visual steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkite_orm.fake.payloads.pipelines import visual_step
from buildkite_orm.fake.steps import BlockStep, CommandStep, TriggerStep, WaitStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildkite_orm.fake.records import Json
    from buildkite_orm.fake.steps import Step

_LINE = re.compile(r"""( *)(- +)?["']?([\w-]+)["']?(?::(?: +(.*))?)?""").fullmatch


def env_of(configuration: str) -> Json:
    """Read the environment variables at the top of a configuration."""
    pairs = (_LINE(line) for line in _block(configuration, "env"))
    return {found[3]: _bare(found[4]) for found in pairs if found is not None}


def steps_of(configuration: str) -> list[Json]:
    """Read the steps of a configuration, one that is nested deeper left out, as visual ones."""
    return [step for item in _items(configuration) if (step := _step(item)) is not None]


def _block(configuration: str, name: str) -> Iterator[str]:
    """Give the lines that stand below a name at the top."""
    inside = False
    for line in configuration.splitlines():
        if re.match(r"[\w\"']", line):
            inside = line.strip("\"' :") == name
        elif inside and line.strip():
            yield line.rstrip()


def _items(configuration: str) -> Iterator[dict[str, str]]:
    """Give the keys of each step, with what stands behind them."""
    item: dict[str, str] = {}
    depth, inner = None, -1
    for found in filter(None, map(_LINE, _block(configuration, "steps"))):
        indent, dash = len(found[1]), len(found[2] or "")
        depth = indent if depth is None else depth
        if dash and indent == depth:
            if item:
                yield item
            item = {}
            inner = indent + dash
        if indent + dash == inner:
            item[found[3]] = _bare(found[4])
    if item:
        yield item


def _bare(text: str | None) -> str:
    text = (text or "").strip()
    return text[1:-1] if text[:1] in {'"', "'"} and text[-1:] == text[:1] else text


def _step(item: dict[str, str]) -> Json | None:
    label = item.get("label") or item.get("name")
    if "command" in item:
        return visual_step(item["command"], label)
    if "block" in item:
        return {"type": "manual", "label": item["block"]}
    if "trigger" in item:
        return trigger_step(item["trigger"], label)
    return {"type": "waiter"} if "wait" in item else None


def trigger_step(pipeline: str, label: str | None) -> Json:
    """Tell a step that starts a build of another pipeline."""
    return {
        "type": "trigger",
        "label": label,
        "pipeline": pipeline,
        "build": {"message": None, "branch": None, "commit": None, "env": None},
        "async": False,
        "branch_configuration": None,
        "concurrency": None,
        "parallelism": None,
    }


def visual_steps(given: Iterable[Json]) -> list[Json]:
    """Tell visual steps as they are answered when they are given to a pipeline."""
    return [_visual(each) for each in given]


def _visual(given: Json) -> Json:
    if given["type"] == "script":
        told: Json = {**visual_step(given.get("command") or ""), "agent_query_rules": []}
        return told | {name: given[name] for name in told.keys() & given.keys()}
    if given["type"] == "trigger":
        step = trigger_step(given["trigger_project_slug"], given.get("label"))
        said = {name: given.get(f"trigger_{name}") for name in ("branch", "commit", "message", "env")}
        return step | {"build": said, "async": bool(given.get("trigger_async"))}
    return {name: given[name] for name in ("type", "label") if name in given}


def plan_of(steps: Iterable[Json]) -> list[Step]:
    """Give what builds do that have some steps."""
    return [_plan(each) for each in steps]


def _plan(step: Json) -> Step:
    if step["type"] == "waiter":
        return WaitStep()
    if step["type"] == "manual":
        return BlockStep(label=step.get("label") or "Continue?")
    if step["type"] == "trigger":
        branch = step["build"]["branch"]
        return TriggerStep(pipeline=step["pipeline"], label=step["label"], async_=step["async"], branch=branch)
    rules = step["agent_query_rules"] or ["queue=default"]
    return CommandStep(
        label=step["name"],
        command=step["command"],
        agents=tuple(rules),
        env=step["env"] or {},
        artifact_paths=step["artifact_paths"],
    )
