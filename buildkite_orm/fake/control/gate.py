"""The entry of the control API, whose implementation is imported at the first request."""

from __future__ import annotations

import weakref
from functools import cached_property
from typing import TYPE_CHECKING

from buildkite_orm.fake.control.access import PREFIX

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from buildkite_orm.fake.control.access import Access
    from buildkite_orm.fake.control.app import ControlApp
    from buildkite_orm.fake.server import FakeBuildkite
    from buildkite_orm.fake.validation import IncomingRequest


class ControlGate:
    """Passes requests below `/_control` to the control API."""

    def __init__(self, server: FakeBuildkite, access: Access) -> None:
        # a weak reference: the HTTP server must not keep the fake alive
        self._server = weakref.ref(server)
        self._access = access

    @staticmethod
    def owns(path: str) -> bool:
        """Whether a path is one of the control API."""
        return path == PREFIX or path.startswith(f"{PREFIX}/")

    def respond(self, request: IncomingRequest) -> Response:
        """Return the response to a request."""
        return self._app.respond(request)

    @cached_property
    def _app(self) -> ControlApp:
        from buildkite_orm.fake.control.app import ControlApp  # noqa: PLC0415 - it imports pydantic

        return ControlApp(self._server, self._access)
