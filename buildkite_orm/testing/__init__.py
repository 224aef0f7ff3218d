"""Tools for tests of scripts: the plugin for pytest, and a recorder of requests and responses.

The fake server is in `buildkite_orm.fake`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from buildkite_orm.utils.lazy import lazy_names

if TYPE_CHECKING:
    from buildkite_orm.testing.errors import RecordingError
    from buildkite_orm.testing.recorder import Recorder

__all__ = ["Recorder", "RecordingError"]

_HOMES: Final = {"errors": ("RecordingError",), "recorder": ("Recorder",)}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
