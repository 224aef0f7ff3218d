"""Check the arguments of the functions that add to the state, and explain what is wrong with them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.records import (
    BUILD_STATES,
    JOB_STATES,
    AgentRecord,
    AnnotationRecord,
    ArtifactRecord,
    BuildRecord,
    JobRecord,
    PipelineRecord,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance


def _fields_of(record: type[DataclassInstance], *without: str) -> frozenset[str]:
    return frozenset(each.name for each in fields(record)) - set(without)


AGENT_STATES = frozenset({"connected", "disconnected", "lost", "never_connected", "stopped", "stopping"})
ANNOTATION_STYLES = frozenset({"success", "info", "warning", "error"})
ARTIFACT_STATES = frozenset({"new", "error", "finished", "deleted", "expired"})
VISIBILITIES = frozenset({"public", "private"})
_JOB_FIELDS = _fields_of(JobRecord, "build") | {"label"}
_BUILD_FIELDS = _fields_of(BuildRecord, "pipeline")
_AGENT_FIELDS = _fields_of(AgentRecord, "organization")
_PIPELINE_FIELDS = _fields_of(PipelineRecord, "organization", "plan")
_ARTIFACT_FIELDS = _fields_of(ArtifactRecord, "job")
_ANNOTATION_FIELDS = _fields_of(AnnotationRecord)


def check_build(state: str, values: Mapping[str, Any]) -> None:
    """Raise if a build cannot have a state or fields.

    Raises:
        ValueError: The state is unknown.
        TypeError: A field is unknown.
    """
    _check_fields("a build", values, _BUILD_FIELDS)
    _check_choice("state", "a build", {"state": state}, BUILD_STATES)


def job_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a job; the API calls the name of a block step its `label`.

    Raises:
        ValueError: The state is unknown.
        TypeError: A field is unknown.
    """
    _check_fields("a job", values, _JOB_FIELDS)
    if values.get("state") is not None:
        _check_choice("state", "a job", values, JOB_STATES)
    named = {"name": values["label"]} if "label" in values else {}
    return named | {name: value for name, value in values.items() if name != "label"}


def check_agent(values: Mapping[str, Any]) -> None:
    """Raise if an agent cannot have these fields, as `check_build` does."""
    _check_fields("an agent", values, _AGENT_FIELDS)
    _check_choice("connection_state", "an agent", values, AGENT_STATES)


def check_pipeline(values: Mapping[str, Any]) -> None:
    """Raise if a pipeline cannot have these fields, as `check_build` does."""
    _check_fields("a pipeline", values, _PIPELINE_FIELDS)
    _check_choice("visibility", "a pipeline", values, VISIBILITIES)


def check_artifact(values: Mapping[str, Any]) -> None:
    """Raise if an artifact cannot have these fields, as `check_build` does."""
    _check_fields("an artifact", values, _ARTIFACT_FIELDS)
    _check_choice("state", "an artifact", values, ARTIFACT_STATES)


def check_annotation(values: Mapping[str, Any]) -> None:
    """Raise if an annotation cannot have these fields, as `check_build` does."""
    _check_fields("an annotation", values, _ANNOTATION_FIELDS)
    _check_choice("style", "an annotation", values, ANNOTATION_STYLES)


def _check_fields(noun: str, values: Mapping[str, Any], known: frozenset[str]) -> None:
    if not known.issuperset(values):
        unknown = sorted(values.keys() - known)
        raise TypeError(f"{noun} has no field {', '.join(unknown)}; its fields: {', '.join(sorted(known))}")


def _check_choice(field: str, noun: str, values: Mapping[str, Any], known: frozenset[str]) -> None:
    if field in values and values[field] not in known:
        raise ValueError(f"{values[field]!r} is not the {field} of {noun}; choose one of {', '.join(sorted(known))}")
