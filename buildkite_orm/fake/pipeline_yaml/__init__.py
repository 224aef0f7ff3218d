"""Pipelines in YAML: parse the text, validate what it says, and expand it to the steps that builds run.

A text passes these modules, in this order: `loading` parses it, `substitution` replaces its variables, `validation`
checks its keys (`keys`) and their values (`checks`), `expansion` turns its steps into those of
`buildkite_orm.fake.steps`, and `schedule` finds what each of them waits for. `conditionals` evaluates their `if` with
the `variables` of a build.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkite_orm.fake.environments import variables_of
from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError
from buildkite_orm.fake.pipeline_yaml.expansion import expand, texts, visual_steps_of
from buildkite_orm.fake.pipeline_yaml.loading import load
from buildkite_orm.fake.pipeline_yaml.schedule import check_order
from buildkite_orm.fake.pipeline_yaml.substitution import substitute
from buildkite_orm.fake.pipeline_yaml.validation import validate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkite_orm.fake.records import BuildRecord, Json, PipelineRecord
    from buildkite_orm.fake.steps import Step


@dataclass(frozen=True, slots=True)
class PipelineDefinition:
    """The contents of a pipeline in YAML.

    Attributes:
        text: The YAML.
        env: The environment variables at its top level.
        plan: The steps that its builds run.
        visual_steps: The steps as the pipeline's payload renders them.
        ignored: The keys that the fake does not simulate.
    """

    text: str
    env: Json
    plan: list[Step]
    visual_steps: list[Json]
    ignored: list[str]

    def warning(self, pipeline: str) -> str | None:
        """Return a warning of what the fake does not simulate, if anything."""
        if not self.ignored:
            return None
        return f"the fake does not simulate these parts of the pipeline {pipeline}: {', '.join(self.ignored)}"

    def apply(self, pipeline: PipelineRecord) -> None:
        """Make it the definition of a pipeline, apart from its `configuration` and visual steps."""
        pipeline.env, pipeline.plan = self.env, self.plan
        pipeline.variable_yaml = self.text if "$" in self.text else None


def read_pipeline(
    text: str, variables: Mapping[str, str] | None = None, *, block_wins: bool = False
) -> PipelineDefinition:
    """Return what a pipeline in YAML says.

    Args:
        text: The YAML.
        variables: The variables to substitute; None to keep them as they are written.
        block_wins: Whether variables at its top level win over these.

    Raises:
        PipelineYamlError: The text is not a valid pipeline.
    """
    document = load(text)
    if variables is not None:
        document = substitute(document, variables, block_wins=block_wins)
    pipeline = validate(document)
    plan = expand(pipeline)
    check_order(plan)
    return PipelineDefinition(text, texts(pipeline.env), plan, visual_steps_of(pipeline), pipeline.ignored)


def read_configuration(text: str) -> PipelineDefinition:
    """Return what the configuration of a pipeline says, whose variables are not known before it has a build.

    Raises:
        PipelineYamlError: The text is not a valid pipeline, whatever the variables.
    """
    try:
        return read_pipeline(text)
    except PipelineYamlError:
        if "$" not in text:
            raise
        return read_pipeline(text, {})


def plan_of_build(build: BuildRecord) -> tuple[Sequence[Step], Json]:
    """Return the steps of a build, and the variables of its pipeline.

    Raises:
        PipelineYamlError: The pipeline is not valid with the variables of the build.
    """
    pipeline = build.pipeline
    if pipeline.variable_yaml is None:
        return pipeline.plan, pipeline.env or {}
    given = {name: str(value) for name, value in (build.env or {}).items()}
    definition = read_pipeline(pipeline.variable_yaml, given | variables_of(build))
    return definition.plan, definition.env


def is_pipeline(text: str) -> bool:
    """Return whether a text is a valid pipeline."""
    try:
        read_configuration(text)
    except PipelineYamlError:
        return False
    return True
