"""What two routes reach: jobs, and what stands below them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkite_orm.models.resource import Ref
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from buildkite_orm.models.resource import R
    from buildkite_orm.resources.builds.remote_access import SshSession, VncSession

_BUILD = re.compile(r"/pipelines/[^/]+/builds/[^/]+(?=/jobs/)")


class UnderJob(InOrganization):
    """A job, or what stands below one: through its build, or through its organization, it is the same thing."""

    def _key(self) -> object:
        path = self._find_path()
        return None if path is None else _BUILD.sub("", path)


class RemoteAccess(UnderJob):
    """A job, as far as one can connect to the hosted agent that runs it."""

    def create_vnc_session(self) -> VncSession:
        """Create what a VNC client needs to show the desktop of the hosted macOS agent that runs the job.

        Raises:
            PermissionDeniedError: The user may not manage hosted agents.
            NotFoundError: There is no such job, or the organization has no remote access.
            UnprocessableEntityError: It is no command job that runs on a hosted macOS agent.
            ServerError: There is no session to be had.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#create-a-remote-desktop-session
        """
        from buildkite_orm.resources.builds.remote_access import VncSession

        return self._connect(VncSession, "vnc-session")

    def create_ssh_session(self) -> SshSession:
        """Create what an SSH client needs to reach the hosted macOS agent that runs the job.

        Raises:
            PermissionDeniedError: The user may not manage hosted agents.
            NotFoundError: There is no such job, or the organization has no remote access.
            UnprocessableEntityError: It is no command job that runs on a hosted macOS agent.
            ServerError: There is no session to be had.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#create-an-ssh-session
        """
        from buildkite_orm.resources.builds.remote_access import SshSession

        return self._connect(SshSession, "ssh-session")

    def _connect(self, model: type[R], session: str) -> R:
        """Create a session, by the path that names no build: the other is not documented."""
        job = Ref.at(self.session, _BUILD.sub("", self.api_path))
        return job._send(model, "POST", session, idempotent=False)  # noqa: SLF001 - its own


def organization_path(path: str) -> str:
    """Give the path of the organization that a path stands below."""
    return "/".join(path.split("/")[:2])
