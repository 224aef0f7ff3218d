"""Turn the validated steps of a pipeline into the steps that its builds run."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.payloads.pipelines import visual_step
from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError
from buildkite_orm.fake.pipeline_yaml.values import is_list, is_map
from buildkite_orm.fake.steps import BlockStep, CommandStep, Dependency, RetryRule, TriggerStep, WaitStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkite_orm.fake.pipeline_yaml.validation import ValidPipeline
    from buildkite_orm.fake.records import Json
    from buildkite_orm.fake.steps import Step

_DEFAULT_QUEUE = "queue=default"
_MOST_JOBS = 50


def expand(pipeline: ValidPipeline) -> list[Step]:
    """Return the steps of a pipeline, those of its groups included."""
    return [step for scope, given in enumerate(pipeline.steps, 1) for step in _expanded(pipeline, given, scope)]


def _expanded(pipeline: ValidPipeline, given: Json, scope: int) -> Iterator[Step]:
    if given["type"] != "group":
        yield _step(pipeline, given, {})
        return
    group = {
        "group": _text(given.get("key")),
        "group_label": _text(given.get("group") or given.get("label")),
        "group_depends_on": _dependencies(given) if "depends_on" in given else None,
    }
    for inner in given["steps"]:
        yield _step(pipeline, _merged(given, inner), {**group, "scope": scope})


def _merged(group: Json, step: Json) -> Json:
    """Return a step of a group with the conditions of the group."""
    merged = dict(step)
    conditions = [each for each in (group.get("if"), step.get("if")) if each is not None]
    if len(conditions) > 1:
        merged["if"] = " && ".join(f"({_text(each)}\n)" for each in conditions)
    elif conditions:
        merged["if"] = conditions[0]
    if group.get("skip"):
        merged["skip"] = group["skip"]
    return merged


def _step(pipeline: ValidPipeline, given: Json, group: Mapping[str, Any]) -> Step:
    common: Json = {
        **group,
        "key": _text(given.get("key")),
        "depends_on": _dependencies(given) if "depends_on" in given else None,
        "if_": _text(given.get("if")),
        "branches": _branches(given),
        "skip": given.get("skip") or False,
    }
    kind = given["type"]
    if kind == "wait":
        return WaitStep(continue_on_failure=_flag(given.get("continue_on_failure")), **common)
    if kind in {"block", "input"}:
        return BlockStep(
            label=_text(given.get(kind) or given.get("label")) or ("Continue?" if kind == "block" else "Input"),
            fields=tuple(given.get("fields") or ()),
            blocked_state=given.get("blocked_state") or "passed",
            is_input=kind == "input",
            allowed_teams=tuple(map(str, _list(given.get("allowed_teams")))),
            **common,
        )
    if kind == "trigger":
        return _trigger(given, common)
    return _command(pipeline, given, common)


def _trigger(given: Json, common: Json) -> TriggerStep:
    build: Json = given.get("build") or {}
    return TriggerStep(
        pipeline=str(given["trigger"]),
        label=_text(given.get("label")),
        async_=_flag(given.get("async")),
        branch=_text(build.get("branch")),
        commit=_text(build.get("commit")),
        message=_text(build.get("message")),
        env=texts(build.get("env")),
        meta_data=texts(build.get("meta_data")),
        parallelism=_number(given.get("parallelism")),
        soft_fail=_soft_fail(given.get("soft_fail")),
        **common,
    )


def _command(pipeline: ValidPipeline, given: Json, common: Json) -> CommandStep:
    retry: Json = given.get("retry") or {}
    manual: Any = retry.get("manual", True)
    details: Json = manual if is_map(manual) else {}
    timeout = _number(given.get("timeout_in_minutes"))
    cells, soft_cells = _matrix(given.get("matrix"))
    return CommandStep(
        label=_text(given.get("label")),
        command="\n".join(map(str, _list(given.get("command")))),
        agents=tuple(_rules(given.get("agents", pipeline.agents))),
        artifact_paths=";".join(map(str, _list(given.get("artifact_paths")))) or None,
        env=texts(given.get("env")),
        parallelism=_number(given.get("parallelism")),
        matrix=cells,
        matrix_soft_fail=soft_cells,
        soft_fail=_soft_fail(given.get("soft_fail")),
        retry_rules=tuple(_retry_rules(retry.get("automatic"))),
        permit_manual_retry=_flag(details.get("allowed", True)) if details else _flag(manual),
        manual_retry_reason=_text(details.get("reason")),
        permit_retry_on_passed=_flag(details.get("permit_on_passed")),
        timeout=None if not timeout else timeout * 60.0,
        priority=_number(given.get("priority", pipeline.priority)) or 0,
        concurrency=_number(given.get("concurrency")),
        concurrency_group=_text(given.get("concurrency_group")),
        concurrency_method=given.get("concurrency_method") or "ordered",
        real=True,
        cancel_on_build_failing=_flag(given.get("cancel_on_build_failing")),
        **common,
    )


# -- values


def _list(value: Any) -> list[Any]:
    return value if is_list(value) else [] if value is None else [value]


def _branches(given: Json) -> str | None:
    return " ".join(map(str, _list(given.get("branches")))) or None


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def texts(values: Mapping[Any, Any] | None) -> dict[str, str]:
    """Return environment variables or meta-data as strings."""
    return {str(name): _text(value) or "" for name, value in (values or {}).items()}


def _flag(value: Any) -> bool:
    return value is True or value == "true"


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _dependencies(given: Json) -> tuple[Dependency, ...]:
    allowed = _flag(given.get("allow_dependency_failure"))

    def dependency(value: Any) -> Dependency:
        step, allow = (value["step"], value.get("allow_failure")) if is_map(value) else (value, None)
        return Dependency(str(step), allow_failure=allowed if allow is None else _flag(allow))

    return tuple(map(dependency, _list(given["depends_on"])))


def _rules(agents: Any) -> list[str]:
    """Return agent query rules; a step without a queue runs on the default one."""
    if is_map(agents):
        rules = [f"{name}={_text(value) or ''}" for name, value in agents.items()]
    else:
        rules = [str(each) for each in _list(agents)]
    return rules or [_DEFAULT_QUEUE]


def _statuses(value: Any) -> frozenset[int] | None:
    """Return exit statuses, None for any failure."""
    return None if "*" in _list(value) else frozenset(int(each) for each in _list(value))


def _soft_fail(value: Any) -> bool | frozenset[int]:
    if value is None or isinstance(value, bool | str):
        return _flag(value)
    statuses = [_statuses(each["exit_status"]) for each in _list(value)]
    return True if None in statuses else frozenset(itertools.chain.from_iterable(filter(None, statuses)))


def _retry_rules(automatic: Any) -> Iterator[RetryRule]:
    if automatic is None or isinstance(automatic, bool | str):
        if _flag(automatic):
            yield RetryRule()
        return
    for rule in _list(automatic):
        signals, reasons = (_list(rule.get(name, "*")) for name in ("signal", "signal_reason"))
        yield RetryRule(
            statuses=_statuses(rule.get("exit_status", "*")),
            signals=None if "*" in signals else frozenset(_signal(each) for each in signals),
            signal_reasons=None if "*" in reasons else frozenset(map(str, reasons)),
            limit=int(rule.get("limit", 2)),
        )


def _signal(name: Any) -> str:
    return str(name).upper().removeprefix("SIG")


def _matrix(value: Any) -> tuple[list[dict[str, str]] | None, tuple[tuple[dict[str, str], Any], ...]]:
    """Return the combinations of a matrix, and those with a `soft_fail` of their own; a list has the dimension ""."""
    if value is None:
        return None, ()
    given = value if is_map(value) else {"setup": value}
    setup = given["setup"] if is_map(given["setup"]) else {"": given["setup"]}
    names = [str(name) for name in setup]
    cells = [
        dict(zip(names, (_text(each) or "" for each in values), strict=True))
        for values in itertools.product(*setup.values())
    ]
    soft: list[tuple[dict[str, str], Any]] = []
    for adjustment in given.get("adjustments") or ():
        chosen = adjustment["with"] if is_map(adjustment["with"]) else {"": _list(adjustment["with"])[0]}
        cell = {name: texts(chosen)[name] for name in names}
        if adjustment.get("skip"):
            cells = [each for each in cells if each != cell]
            continue
        cells += [] if cell in cells else [cell]
        if "soft_fail" in adjustment:
            soft.append((cell, _soft_fail(adjustment["soft_fail"])))
    if len(cells) > _MOST_JOBS:
        raise PipelineYamlError(f"a matrix has at most {_MOST_JOBS} jobs, this one has {len(cells)}")
    return cells, tuple(soft)


def visual_steps_of(pipeline: ValidPipeline) -> list[Json]:
    """Return the steps at the top level as pipelines render them; groups are left out."""
    return [visual for step in pipeline.steps if (visual := _visual(pipeline, step)) is not None]


def _visual(pipeline: ValidPipeline, step: Json) -> Json | None:
    kind, label = step["type"], _text(step.get("label"))
    if kind == "command":
        return _visual_command(_command(pipeline, step, {"branches": _branches(step)}), step)
    if kind == "wait":
        return {"type": "waiter"}
    if kind == "block":
        return {"type": "manual", "label": _text(step.get("block") or label)}
    return _visual_trigger(_trigger(step, {"branches": _branches(step)})) if kind == "trigger" else None


def _visual_command(step: CommandStep, given: Json) -> Json:
    return visual_step(step.command, step.label) | {
        "artifact_paths": step.artifact_paths,
        "branch_configuration": step.branches,
        "env": dict(step.env),
        "timeout_in_minutes": _number(given.get("timeout_in_minutes")),
        "agent_query_rules": list(step.agents) if "agents" in given else [],
        "concurrency": step.concurrency,
        "parallelism": step.parallelism,
    }


def _visual_trigger(step: TriggerStep) -> Json:
    build = {name: getattr(step, name) for name in ("message", "branch", "commit")}
    return trigger_step(step.pipeline, step.label) | {
        "build": {**build, "env": dict(step.env) or None},
        "async": step.async_,
        "branch_configuration": step.branches,
        "parallelism": step.parallelism,
    }


def trigger_step(pipeline: str, label: str | None) -> Json:
    """Return a visual step that starts a build of another pipeline."""
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
