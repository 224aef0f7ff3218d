"""The error of recordings, which is part of the tree in `buildkite_orm.errors`."""

from __future__ import annotations

from buildkite_orm.errors import RecordingError

__all__ = ["RecordingError"]
