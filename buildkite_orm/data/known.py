"""The builds that a caller knows, to compare them with what the API lists."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias, cast

from buildkite_orm.http.encoding import encode_time
from buildkite_orm.querysets.crowded_second import build_id, created_at
from buildkite_orm.utils.json_types import as_mapping
from buildkite_orm.utils.plain_values import as_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildkite_orm.resources.builds.build import Build

Known: TypeAlias = "Iterable[str] | Mapping[str, Build | datetime]"
"""Ids; or a mapping from ids to builds, or to the times of their creation."""


class KnownBuilds:
    """The builds that a caller knows.

    Args:
        known: Their ids, or a mapping from these.

    Raises:
        TypeError: It is a single text, has other keys than ids, or other values than builds and times.
        ValueError: A time has no time zone.
    """

    def __init__(self, known: Known) -> None:
        if isinstance(known, str):
            raise TypeError(f"known={known!r}: the ids of several builds; put a single one into a list")
        mapping = as_mapping(known)
        builds = dict.fromkeys(known) if mapping is None else mapping
        self._builds = {_id(key): _build_or_time(build) for key, build in builds.items()}

    def __contains__(self, build: str) -> bool:
        return build in self._builds

    def created_from(self, moment: datetime) -> set[str]:
        """Return the ids of the builds that were created at a time or later, and of those without a time."""
        return {key for key, build in self._builds.items() if _is_since(build, moment)}

    def has_equal(self, build: Build) -> bool:
        """Return whether a build is known with the same data."""
        known = self._builds.get(build_id(build))
        return known is not None and not isinstance(known, datetime) and known.dump() == build.dump()


def _id(key: object) -> str:
    plain = as_plain(key)  # databases return UUIDs
    if not isinstance(plain, str):
        raise TypeError(f"known=[{key!r}, …]: ids, or a mapping from ids")
    return plain


def _build_or_time(value: object) -> Build | datetime | None:
    if isinstance(value, datetime):
        encode_time(value, "known")  # refuses one without a time zone
    elif value is not None and "created_at" not in getattr(value, "__dict__", {}):
        raise TypeError(f"known={{…: {value!r}}}: builds, or the times when they were created")
    return cast("Build | datetime | None", value)


def _is_since(build: Build | datetime | None, moment: datetime) -> bool:
    created = build if build is None or isinstance(build, datetime) else created_at(build)
    return build is None or (created is not None and created >= moment)
