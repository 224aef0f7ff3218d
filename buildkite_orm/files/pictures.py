"""Saving what is drawn: whole under its name, or not at all."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from buildkite_orm.files.atomic import Target, atomic_write
from buildkite_orm.utils.plain_values import as_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def save(path: str | os.PathLike[str], kinds: Mapping[str, Callable[[], str | bytes]], *, of: str) -> Path:
    """Save a drawing in the form that the ending of its file names, and give where.

    Args:
        path: The file.
        kinds: What writes each form, by its ending.
        of: What it is a drawing of.

    Raises:
        ValueError: There is no such form.
        DownloadError: It cannot be written.
    """
    path = as_path("path", path)
    ending = os.path.splitext(path)[1].lower()  # noqa: PTH122 - a path may be one of a folder
    if ending not in kinds:
        msg = f"{path!r}: {of} is saved as {' or '.join(kinds)}"
        raise ValueError(msg)
    drawn = kinds[ending]()
    content = drawn.encode() if isinstance(drawn, str) else drawn
    target = Target.of(path, f"picture{ending}")
    with atomic_write(target, hashlib.sha256(content).hexdigest()) as part:
        part.restart()
        part.write(content)
    return target.path
