"""Check the arguments of the functions that add to the state, and explain what is wrong with them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.records import BUILD_STATES, JOB_STATES, BuildRecord, JobRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

_JOB_FIELDS = frozenset(each.name for each in fields(JobRecord)) - {"build"} | {"label"}
_BUILD_FIELDS = frozenset(each.name for each in fields(BuildRecord)) - {"pipeline"}


def check_build(state: str, values: Mapping[str, Any]) -> None:
    """Raise if a build cannot have a state or fields.

    Raises:
        ValueError: The state is unknown.
        TypeError: A field is unknown.
    """
    _check_fields("build", values, _BUILD_FIELDS)
    _check_state("build", state, BUILD_STATES)


def job_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a job; the API calls the name of a block step its `label`.

    Raises:
        ValueError: The state is unknown.
        TypeError: A field is unknown.
    """
    _check_fields("job", values, _JOB_FIELDS)
    if (state := values.get("state")) is not None:
        _check_state("job", state, JOB_STATES)
    named = {"name": values["label"]} if "label" in values else {}
    return named | {name: value for name, value in values.items() if name != "label"}


def _check_fields(noun: str, values: Mapping[str, Any], known: frozenset[str]) -> None:
    if unknown := sorted(values.keys() - known):
        raise TypeError(f"a {noun} has no field {', '.join(unknown)}; its fields: {', '.join(sorted(known))}")


def _check_state(noun: str, state: str, known: frozenset[str]) -> None:
    if state not in known:
        raise ValueError(f"{state!r} is not the state of a {noun}; choose one of {', '.join(sorted(known))}")
