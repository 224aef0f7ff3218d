"""Pipelines in YAML: parse the text, validate what it says, and expand it to the steps that builds run.

`schedule` says what each step waits for, and `conditionals` evaluates their `if`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkite_orm.fake.pipeline_yaml.errors import IgnoredStepKeysWarning, PipelineYamlError
from buildkite_orm.fake.pipeline_yaml.expansion import expand, texts, visual_steps_of
from buildkite_orm.fake.pipeline_yaml.loading import load
from buildkite_orm.fake.pipeline_yaml.schedule import check_order
from buildkite_orm.fake.pipeline_yaml.validation import validate
from buildkite_orm.fake.steps import CommandStep

if TYPE_CHECKING:
    from buildkite_orm.fake.records import Json
    from buildkite_orm.fake.steps import Step


@dataclass(frozen=True, slots=True)
class PipelineDefinition:
    """The contents of a pipeline in YAML.

    Attributes:
        env: The environment variables at its top level.
        plan: The steps that its builds run.
        visual_steps: The steps as the pipeline's payload renders them.
        ignored: The keys that the fake does not simulate.
    """

    env: Json
    plan: list[Step]
    visual_steps: list[Json]
    ignored: list[str]

    def plan_with_env(self) -> list[Step]:
        """Return the steps with the variables of the top level as their own, for steps that a job uploads."""
        return [
            replace(step, env={**self.env, **step.env}) if isinstance(step, CommandStep) else step for step in self.plan
        ]

    def warn(self, pipeline: str, *, stacklevel: int = 3) -> None:
        """Warn of what the fake does not simulate, if anything."""
        if self.ignored:
            message = f"the fake does not simulate these parts of the pipeline {pipeline}: {', '.join(self.ignored)}"
            warnings.warn(message, IgnoredStepKeysWarning, stacklevel=stacklevel)


def read_pipeline(text: str) -> PipelineDefinition:
    """Return what a pipeline in YAML says.

    Raises:
        PipelineYamlError: The text is not a valid pipeline.
    """
    pipeline = validate(load(text))
    plan = expand(pipeline)
    check_order(plan)
    return PipelineDefinition(texts(pipeline.env), plan, visual_steps_of(pipeline), pipeline.ignored)


def is_pipeline(text: str) -> bool:
    """Return whether a text is a valid pipeline."""
    try:
        read_pipeline(text)
    except PipelineYamlError:
        return False
    return True
