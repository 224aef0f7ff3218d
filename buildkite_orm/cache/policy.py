"""Rules for what may be stored: what is finished, for long enough, without the fields that must not be stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.utils.header_values import sent_at
from buildkite_orm.utils.json_types import as_array, as_object

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTLING_TIME: Final = timedelta(minutes=10)
"""How long after its end something may still change: the agent sends the end of a log, a build is retried."""

_MOST_LEVELS: Final = 100


@dataclass(frozen=True, slots=True)
class FinishedAt:
    """When the job or the build was finished that a log or an artifact belongs to.

    Attributes:
        time: The time.
    """

    time: datetime


def finished_at(context: object) -> datetime | None:
    """Return when the owner of a log or an artifact was finished, from the context of its binding."""
    return context.time if isinstance(context, FinishedAt) else None


def latest_end(headers: Mapping[str, str]) -> datetime | None:
    """Return the latest end of what may be stored, by the server's own clock; None if nothing may.

    Args:
        headers: The headers of the response. Without a `Date` nothing is stored.
    """
    sent = sent_at(headers)
    return None if sent is None else sent - SETTLING_TIME


def is_settled(finished_at: datetime | None, latest: datetime | None) -> bool:
    """Whether something has been finished for long enough.

    Args:
        finished_at: When it was finished; None if that is unknown.
        latest: See `latest_end`.
    """
    return finished_at is not None and latest is not None and finished_at <= latest


def without_fields(value: Any, names: frozenset[str], *, levels: int = _MOST_LEVELS) -> Any:
    """Return a JSON value without the fields of these names, at any depth.

    Args:
        value: The value.
        names: The names.
        levels: How deep values may be nested.

    Raises:
        ValueError: It is nested more deeply.
    """
    if levels == 0:
        raise ValueError("nested too deeply")
    if (known := as_object(value)) is not None:
        return {key: without_fields(each, names, levels=levels - 1) for key, each in known.items() if key not in names}
    if (items := as_array(value)) is not None:
        return [without_fields(each, names, levels=levels - 1) for each in items]
    return value
