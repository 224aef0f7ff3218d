"""The steps of a pipeline: from YAML, as far as the fake parses it, or from visual steps."""

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
_TOP_LEVEL_KEY = re.compile(r"""["']?([\w.-]+)["']? *:(?:\s+(.*))?""").fullmatch
_IGNORED_LINE = re.compile(r"\s*(#.*)?|(---|\.\.\.|%)(\s.*)?").fullmatch
_ANCHOR_OR_COMMENT = re.compile(r"([&!]\S*\s+|#.*\n)*")
_QUOTED_OR_COMMENT = re.compile(r"""(?<!\\)"(\\.|[^"\\])*"|'[^']*'|(?<!\S)#.*""")


def env_of(configuration: str) -> Json:
    """Return the environment variables at the top level of a configuration."""
    pairs = (_LINE(line) for line in _block(configuration, "env"))
    return {found[3]: _unquoted(found[4]) for found in pairs if found is not None}


def steps_of(configuration: str) -> list[Json]:
    """Return the steps of a configuration as visual steps; nested ones are left out."""
    return [step for item in _items(configuration) if (step := _step(item)) is not None]


def has_steps(configuration: str) -> bool:
    """Return whether a text is the configuration of a pipeline, with at least one step.

    The check is lenient: it rejects a missing or empty list of steps, and unbalanced brackets at the top level, but no
    other invalid YAML. `steps_of` ignores much of what it accepts.
    """
    lines = _lines(configuration)
    text = "\n".join(lines)
    if text.startswith("{"):
        return _is_closed(text) and re.search(r"""steps["']?\s*:\s*(\*|\[\s*[^]\s])""", text) is not None
    if text.startswith(("-", "[")):
        return _is_list(text)
    values = _values(lines)
    return all(map(_is_closed, values.values())) and (_is_list(values.get("steps", "")) or "\n<<:" in f"\n{text}")


def _lines(configuration: str) -> list[str]:
    """Return the lines without blank lines, comments and the common indentation."""
    lines = [line.rstrip() for line in configuration.splitlines() if not _IGNORED_LINE(line)]
    return dedent("\n".join(lines)).splitlines()


def _values(lines: Iterable[str]) -> dict[str, str]:
    """Return the text of each value at the top level, by key."""
    values: dict[str, str] = {}
    name = ""
    is_closed = True
    for line in lines:
        found = _TOP_LEVEL_KEY(line) if is_closed else None
        name = name if found is None else found[1]
        values[name] = f"{values.get(name, '')}{line}\n" if found is None else f"{found[2] or ''}\n"
        if found is not None or re.search(r"[]}]", line):  # nothing else closes it, and the check is slow
            is_closed = _is_closed(values[name])
    return {name: _ANCHOR_OR_COMMENT.sub("", value.lstrip(), count=1).strip() for name, value in values.items()}


def _is_list(value: str) -> bool:
    if value.startswith("["):
        return _is_closed(value) and re.match(r"\[[\s,]*]", value) is None
    return re.match(r"-(\s|$)|\*\w", value) is not None


def _is_closed(value: str) -> bool:
    """Return whether a value's brackets are balanced, if it begins with one; quotes and comments are ignored."""
    if not value.startswith(("[", "{")):
        return True
    bare = _QUOTED_OR_COMMENT.sub("", value)
    return all(bare.count(opening) == bare.count(closing) for opening, closing in ("[]", "{}"))


def _block(configuration: str, name: str) -> Iterator[str]:
    """Yield the lines below a key at the top level; those of a bare list are steps."""
    lines = _lines(configuration)
    inside = name == "steps" and lines[:1] != [] and lines[0].startswith("- ")
    for line in lines:
        if re.match(r"[\w\"']", line):
            found = _TOP_LEVEL_KEY(line)
            inside = found is not None and found[1] == name
        elif inside:
            yield line


def _items(configuration: str) -> Iterator[dict[str, str]]:
    """Yield the keys of each step with their values."""
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
            item[found[3]] = _unquoted(found[4])
    if item:
        yield item


def _unquoted(text: str | None) -> str:
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
    """Return a step that starts a build of another pipeline."""
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
