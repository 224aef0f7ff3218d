"""The error of recordings."""

from __future__ import annotations

from buildkite_orm.errors import BuildkiteError


class RecordingError(BuildkiteError):
    """A cassette cannot be read, or has no response to a request."""

    next_step = "Record it again: Recorder(path, record=True), or pytest --buildkite-orm-record."
