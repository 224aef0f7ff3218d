"""Warnings that point to the code of the caller."""

from __future__ import annotations

import inspect
import warnings


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the first line outside this library.

    Python keeps the text for as long as the process lives, so it names classes and fields, and no URL, number or id.
    """
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("buildkite_orm.", "tenacity")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
