"""A client of the control API that uses plain HTTP, as in any language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from buildkite_orm.fake import FakeBuildkite


class Control(requests.Session):
    """A session that sends the control token, and takes paths below `/_control`."""

    def __init__(self, server: FakeBuildkite) -> None:
        super().__init__()
        self.base = server.control_url
        self.trust_env = False
        self.headers["Authorization"] = f"Bearer {server.control_token}"

    def send_to(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """Send a request with a JSON body, if there is one."""
        return self.request(method, self.base + path, json=body, timeout=30, **options)

    def do(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that succeeds, and return its JSON; None if it has none."""
        response = self.send_to(method, path, body)
        assert response.ok, response.text
        return response.json() if response.content else None

    def refused(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Send a request that is a 422, and return what it says."""
        response = self.send_to(method, path, body)
        assert response.status_code == 422, response.text
        payload: dict[str, Any] = response.json()
        return payload
