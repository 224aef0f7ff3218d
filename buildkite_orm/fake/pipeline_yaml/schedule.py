"""The needs of each step of a build: its dependencies, or the wait and block steps before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import TYPE_CHECKING

from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError
from buildkite_orm.fake.steps import WaitStep, is_gate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildkite_orm.fake.steps import Dependency, Step


@dataclass(frozen=True, slots=True)
class Need:
    """Steps of a build that must end before another one may start.

    Attributes:
        step_ids: Their ids.
        allow_failure: Whether they may fail.
        missing: The key of a dependency that does not exist.
        own: Whether only their own jobs must end, not the steps that these have uploaded.
    """

    step_ids: tuple[str, ...]
    allow_failure: bool = False
    missing: str | None = None
    own: bool = False


@dataclass(slots=True)
class Section:
    """The steps of a group, or of the top level, up to here.

    Attributes:
        gate: The id of the last wait or block step.
        before: The ids of all steps.
        uploaders: The ids of the steps that upload these.
    """

    gate: str | None = None
    before: list[str] = field(default_factory=list[str])
    uploaders: tuple[str, ...] = ()


def needs_of(
    steps: Sequence[tuple[str, Step, bool]],
    known: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    top: Section | None = None,
) -> list[tuple[Need, ...]]:
    """Return what each step needs, in order; a step is an id, a definition, and whether the build includes it.

    A gate that the build does not include holds back nothing. `known` are the ids of other steps of the build by key,
    and `top` has those before the given ones.
    """
    by_key = {**known, **_by_key(steps)}
    top = top or Section()
    groups: dict[int, Section] = {}
    needs: list[tuple[Need, ...]] = []
    for step_id, step, is_included in steps:
        section = groups.setdefault(step.scope, Section()) if step.scope else top
        explicit = _explicit((*(step.group_depends_on or ()), *(step.depends_on or ())), by_key, top.uploaders)
        implicit = () if step.depends_on is not None else _implicit(step, section, top)
        needs.append((*explicit, *implicit))
        if is_gate(step) and is_included:
            section.gate = step_id
        for each in (section, top) if section is not top else (top,):
            each.before.append(step_id)
    return needs


def _by_key(steps: Sequence[tuple[str, Step, bool]]) -> dict[str, tuple[str, ...]]:
    """Return the ids of steps by the keys of steps and groups."""
    found: dict[str, tuple[str, ...]] = {}
    for step_id, step, _ in steps:
        for key in (step.key, step.group):
            if key is not None:
                found[key] = (*found.get(key, ()), step_id)
    return found


def _explicit(
    dependencies: Sequence[Dependency], by_key: dict[str, tuple[str, ...]], uploaders: tuple[str, ...]
) -> Iterator[Need]:
    """Yield the needs of dependencies; of a step that uploads this one, only its own jobs must end."""
    for each in dependencies:
        if each.key not in by_key:
            yield Need((), missing=each.key)
            continue
        step_ids = by_key[each.key]
        own = tuple(step_id for step_id in step_ids if step_id in uploaders)
        others = tuple(step_id for step_id in step_ids if step_id not in uploaders)
        if own:
            yield Need(own, each.allow_failure, own=True)
        if others or not own:
            yield Need(others, each.allow_failure)


def _implicit(step: Step, section: Section, top: Section) -> Iterator[Need]:
    gate = section.gate
    if gate is None and step.group_depends_on is None:
        gate = top.gate
        if top.uploaders:
            yield Need(top.uploaders[:1], own=True)
    if gate is not None:
        yield Need((gate,))
    if is_gate(step):
        allowed = isinstance(step, WaitStep) and step.continue_on_failure
        if section.before:
            yield Need(tuple(section.before), allowed)
        if section.uploaders:
            yield Need(section.uploaders, allowed, own=True)


def check_order(plan: Sequence[Step]) -> None:
    """Raise if steps depend on each other in a circle."""
    steps = [(str(place), step, True) for place, step in enumerate(plan)]
    graph = {
        step_id: {each for need in needs for each in need.step_ids}
        for (step_id, _, _), needs in zip(steps, needs_of(steps), strict=True)
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        places = [int(each) for each in error.args[1]]
        names = " → ".join(plan[place].key or f"step {place + 1}" for place in places)
        raise PipelineYamlError(f"steps depend on each other in a circle: {names}") from error
