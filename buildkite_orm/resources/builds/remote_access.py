"""Remote access to the hosted agent of a running job: what a client needs to connect.

Its secrets are in no repr and no log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from buildkite_orm.models.resource import Model, Resource, Timestamp
from buildkite_orm.utils.text import said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic._internal._repr import ReprArgs


class Credentials(Model):
    """What a client logs in with; a repr tells nothing of it."""

    username: str | None = None

    def __repr_args__(self) -> ReprArgs:
        return ()


class VncCredentials(Credentials):
    """What a VNC client logs in with."""

    password: str


class SshCredentials(Credentials):
    """What an SSH client logs in with."""

    private_key: str


class _Session(Resource):
    """A way to connect, good for a short time. Each is made for its answer: it has no place in the API."""

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
        yield f"expires {said(self.expires_at)}"


class VncSession(_Session):
    """What a VNC client needs to show the desktop that a job runs on.

    Attributes:
        endpoint: The URL of the WebSocket.
        access_token: What opens it.
        vnc: What the client logs in with.

    Documentation: https://buildkite.com/docs/apis/rest-api/jobs#create-a-remote-desktop-session
    """

    _kind = "vnc_session"

    vnc: VncCredentials


class SshSession(_Session):
    """What an SSH client needs to reach the machine that a job runs on.

    Attributes:
        endpoint: The URL of the WebSocket.
        access_token: What opens it.
        transport: How SSH is carried there.
        ssh: What the client logs in with.

    Documentation: https://buildkite.com/docs/apis/rest-api/jobs#create-an-ssh-session
    """

    _kind = "ssh_session"

    transport: str | None = None
    ssh: SshCredentials
