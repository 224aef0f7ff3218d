"""Remote access to the hosted agent of a running job.

Its secrets are in no repr and no log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from buildkite_orm.models.resource import Model, Resource, Timestamp
from buildkite_orm.utils.text import format_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic._internal._repr import ReprArgs


class Credentials(Model):
    """Credentials; no repr shows them."""

    username: str | None = None

    def __repr_args__(self) -> ReprArgs:
        return ()


class VncCredentials(Credentials):
    """The credentials of a VNC client."""

    password: str


class SshCredentials(Credentials):
    """The credentials of an SSH client."""

    private_key: str


class _Session(Resource):
    """A remote session, valid for a short time. It has no path in the API."""

    identity: ClassVar[str | None] = None
    has_url: ClassVar[bool] = False

    endpoint: str
    access_token: str
    expires_at: Timestamp | None = None

    def _find_path(self) -> str | None:
        return None

    def __repr_args__(self) -> ReprArgs:
        return ()

    def _summary(self) -> Iterable[object]:
        yield f"expires {format_value(self.expires_at)}"


class VncSession(_Session):
    """A VNC session for the desktop that a job runs on.

    Attributes:
        endpoint: The URL of the WebSocket.
        access_token: The token that opens it.
        vnc: The credentials of the client.

    Documentation: https://buildkite.com/docs/apis/rest-api/jobs#create-a-remote-desktop-session
    """

    _kind = "vnc_session"

    vnc: VncCredentials


class SshSession(_Session):
    """An SSH session on the machine that a job runs on.

    Attributes:
        endpoint: The URL of the WebSocket.
        access_token: The token that opens it.
        transport: The transport that carries SSH.
        ssh: The credentials of the client.

    Documentation: https://buildkite.com/docs/apis/rest-api/jobs#create-an-ssh-session
    """

    _kind = "ssh_session"

    transport: str | None = None
    ssh: SshCredentials
