"""What a pipeline says that its builds do: YAML, as far as the fake reads it, or visual steps."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.validation import texts_of
from buildkite_orm.fake.payloads.pipelines import visual_step
from buildkite_orm.fake.steps import BlockStep, CommandStep, TriggerStep, WaitStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildkite_orm.fake.records import Json
    from buildkite_orm.fake.steps import Step

_LINE = re.compile(r"""( *)(- +)?["']?([\w-]+)["']?(?::(?: +(.*))?)?""").fullmatch
_AT_TOP = re.compile(r"""["']?([\w.-]+)["']? *:(?:\s+(.*))?""").fullmatch
_PASSED_OVER = re.compile(r"\s*(#.*)?|(---|\.\.\.|%)(\s.*)?").fullmatch
_DECORATION = re.compile(r"([&!]\S*\s+|#.*\n)*")
_QUOTED_OR_COMMENT = re.compile(r"""(?<!\\)"(\\.|[^"\\])*"|'[^']*'|(?<!\S)#.*""")


def env_of(configuration: str) -> Json:
    """Read the environment variables at the top of a configuration."""
    pairs = (_LINE(line) for line in _block(configuration, "env"))
    return {found[3]: _bare(found[4]) for found in pairs if found is not None}


def steps_of(configuration: str) -> list[Json]:
    """Read the steps of a configuration, one that is nested deeper left out, as visual ones."""
    return [step for item in _items(configuration) if (step := _step(item)) is not None]


def has_steps(configuration: str) -> bool:
    """Tell whether a configuration is one of a pipeline, and of one that is not empty.

    This is lenient: it refuses what has no list of steps, or an empty one, or brackets at the top that stay open. There
    is more that is no YAML, and much that `steps_of` leaves out.
    """
    lines = _lines(configuration)
    text = "\n".join(lines)
    if text.startswith("{"):
        return _is_closed(text) and re.search(r"""steps["']?\s*:\s*(\*|\[\s*[^]\s])""", text) is not None
    if text.startswith(("-", "[")):
        return _are_listed(text)
    values = _values(lines)
    return all(map(_is_closed, values.values())) and (_are_listed(values.get("steps", "")) or "\n<<:" in f"\n{text}")


def _lines(configuration: str) -> list[str]:
    """Give the lines that say something, without what all are indented by."""
    lines = [line.rstrip() for line in configuration.splitlines() if not _PASSED_OVER(line)]
    return dedent("\n".join(lines)).splitlines()


def _values(lines: Iterable[str]) -> dict[str, str]:
    """Give what stands behind and below each name at the top."""
    values: dict[str, str] = {}
    name = ""
    is_closed = True
    for line in lines:
        found = _AT_TOP(line) if is_closed else None
        name = name if found is None else found[1]
        values[name] = f"{values.get(name, '')}{line}\n" if found is None else f"{found[2] or ''}\n"
        if found is not None or re.search(r"[]}]", line):  # nothing else closes it, and to check takes long
            is_closed = _is_closed(values[name])
    return {name: _DECORATION.sub("", value.lstrip(), count=1).strip() for name, value in values.items()}


def _are_listed(value: str) -> bool:
    if value.startswith("["):
        return _is_closed(value) and re.match(r"\[[\s,]*]", value) is None
    return re.match(r"-(\s|$)|\*\w", value) is not None


def _is_closed(value: str) -> bool:
    """Tell whether brackets that a value begins with are closed, as far as can be told."""
    if not value.startswith(("[", "{")):
        return True
    bare = _QUOTED_OR_COMMENT.sub("", value)
    return all(bare.count(opening) == bare.count(closing) for opening, closing in ("[]", "{}"))


def _block(configuration: str, name: str) -> Iterator[str]:
    """Give the lines that stand below a name at the top; those of a bare list are steps."""
    lines = _lines(configuration)
    inside = name == "steps" and lines[:1] != [] and lines[0].startswith("- ")
    for line in lines:
        if re.match(r"[\w\"']", line):
            found = _AT_TOP(line)
            inside = found is not None and found[1] == name
        elif inside:
            yield line


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
        said = {name: given[name] for name in told.keys() & given.keys()}
        return told | said | ({"env": texts_of(said["env"])} if "env" in said else {})
    if given["type"] == "trigger":
        step = trigger_step(given["trigger_project_slug"], given.get("label"))
        said = {name: given.get(f"trigger_{name}") for name in ("branch", "commit", "message")}
        said["env"] = given.get("trigger_env") and texts_of(given["trigger_env"])
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
        env=texts_of(step["env"]),
        artifact_paths=step["artifact_paths"],
    )
