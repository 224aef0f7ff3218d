"""Where in a folder artifacts go, each to a place of its own."""

from __future__ import annotations

import sys
import unicodedata
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

from buildkite_orm.errors import UnboundError
from buildkite_orm.utils.plain_values import as_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildkite_orm.resources.builds.artifact import Artifact

    Layout = Literal["path", "job"] | Callable[[Artifact], str]

_LAYOUTS: Final = ("path", "job")
_FOLDS: Final = sys.platform in {"win32", "darwin"}
_MOST: Final = 2


def check_layout(layout: object) -> None:
    """Check that a layout is one.

    Raises:
        ValueError: It is another name.
    """
    if not callable(layout) and layout not in _LAYOUTS:
        msg = f"layout={layout!r}: 'path', 'job', or a function that returns the path of an artifact"
        raise ValueError(msg)


def own_name(artifact: Artifact, layout: Layout) -> str:
    """Give where an artifact goes as its server, or its caller, calls it; that may be nowhere safe."""
    if callable(layout):
        return as_path("what the layout returns", layout(artifact))
    return str(artifact.__dict__.get("path") or "")


def names(artifacts: Sequence[Artifact], layout: Layout, *, folds: bool = _FOLDS) -> list[str]:
    """Give the places of artifacts, relative to the folder.

    Those that would come to the same place, or to where another needs a folder, are all kept apart: by their jobs, and
    where that is not enough, by their own ids.

    Args:
        artifacts: The artifacts.
        layout: `path` for their own paths, `job` for a folder for each job, or what gives the path of each.
        folds: Whether names that differ in case alone are the same file.
    """
    own = [own_name(artifact, layout) for artifact in artifacts]
    levels = [1 if layout == "job" else 0] * len(own)
    while True:
        found = [_below(artifact, level, name) for artifact, level, name in zip(artifacts, levels, own, strict=True)]
        clashing = [at for at in _clashing([_key(name, folds=folds) for name in found]) if levels[at] < _MOST]
        if not clashing:
            return found
        for at in clashing:
            levels[at] += 1


def _below(artifact: Artifact, level: int, name: str) -> str:
    return "/".join([*_job_and_id(artifact)[:level], name]) if level else name


def _job_and_id(artifact: Artifact) -> tuple[str, ...]:
    try:
        *_, job, _, key = artifact.api_path.split("/")
    except (UnboundError, ValueError):  # an odd answer, and nothing to download; which saving it will tell
        return ()
    return job, key


def _key(name: str, *, folds: bool) -> tuple[str, ...]:
    told = name.replace("\\", "/")
    return PurePosixPath(unicodedata.normalize("NFC", told).casefold() if folds else told).parts


def _clashing(keys: list[tuple[str, ...]]) -> list[int]:
    counts = Counter(keys)
    folders = {key[:depth] for key in counts for depth in range(1, len(key))}
    return [at for at, key in enumerate(keys) if counts[key] > 1 or key in folders]
