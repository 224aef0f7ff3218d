"""Remote access to the hosted agents of running jobs; its secrets show nowhere."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, PermissionDeniedError, ServerError, UnprocessableEntityError
from buildkite_orm.resources.builds.remote_access import SshSession, VncSession

if TYPE_CHECKING:
    from buildkite_orm import Buildkite, JobRef
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.records import JobRecord
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

JOBS = "/v2/organizations/acme/jobs"


@pytest.fixture
def record(server: FakeBuildkite, bk: Buildkite) -> JobRecord:
    """A command job that runs on a hosted macOS agent, which may be reached."""
    bk.organization("acme").pipeline_settings().enable_hosted_agents_ssh()
    store, acme = server.store, server.store.organizations["acme"]
    queue = store.add_queue(
        acme, "macos", cluster=store.add_cluster(acme, "Hosted"), instance_shape="MACOS_ARM64_M4_6X28"
    )
    agent = store.add_agent(acme, queue=queue, os_id="darwin")
    server.add_pipeline("web")
    build = server.add_build("web", number=1, state="running", jobs=[{"state": "running", "agent": agent}])
    return build.jobs[0]


@pytest.fixture
def job_ref(bk: Buildkite, record: JobRecord) -> JobRef:
    return bk.organization("acme").job(record.id)


def test_a_vnc_session_is_created(job_ref: JobRef, record: JobRecord, sent: Sent, costs: Costs) -> None:
    with costs(1):
        session = job_ref.create_vnc_session()
    assert sent() == (f"POST {JOBS}/{record.id}/vnc-session", None)
    assert (type(session), session.vnc.username) == (VncSession, "buildkite")
    assert session.endpoint.startswith("wss://")
    assert session.expires_at is not None
    assert session.expires_at.isoformat() == "2026-08-01T12:30:00+00:00"


def test_an_ssh_session_is_created(job_ref: JobRef, record: JobRecord, sent: Sent, costs: Costs) -> None:
    with costs(1):
        session = job_ref.create_ssh_session()
    assert sent() == (f"POST {JOBS}/{record.id}/ssh-session", None)
    assert (type(session), session.transport) == (SshSession, "namespace_ingress")
    assert session.ssh.private_key


def test_a_job_of_a_build_is_reached_through_its_organization(bk: Buildkite, record: JobRecord, sent: Sent) -> None:
    build = bk.organization("acme").pipeline("web").build(1)
    build.job(record.id).create_ssh_session()
    assert sent()[0] == f"POST {JOBS}/{record.id}/ssh-session"
    next(iter(build.jobs())).create_vnc_session()
    assert sent()[0] == f"POST {JOBS}/{record.id}/vnc-session"


def shown(value: Any) -> str:
    """Return the text that shows a value: in a REPL, in a notebook, by pretty printers."""
    return f"{value!r} {value} {list(value.__rich_repr__() or ())} {[str(each) for each in value.__pretty__(str)]}"


def test_its_secrets_show_nowhere(job_ref: JobRef, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    vnc, ssh = job_ref.create_vnc_session(), job_ref.create_ssh_session()
    assert repr(vnc) == "VncSession(expires 2026-08-01 12:30:00 UTC)"
    seen = f"{shown(vnc)} {shown(vnc.vnc)} {shown(ssh)} {shown(ssh.ssh)} {caplog.text}"
    for secret in (vnc.access_token, vnc.vnc.password, ssh.access_token, ssh.ssh.private_key):
        assert secret not in seen


def test_a_field_that_is_not_known_shows_as_little(job_ref: JobRef, server: FakeBuildkite) -> None:
    def drift(payload: Any) -> Any:
        return payload | {"vnc": payload["vnc"] | {"otp": "hidden-one"}, "key": "hidden-one"}

    server.settings.drift = drift
    session = job_ref.create_vnc_session()
    assert session.vnc.model_extra == {"otp": "hidden-one"}
    assert "hidden-one" not in f"{shown(session)} {shown(session.vnc)}"


def test_each_session_is_one_of_its_own(job_ref: JobRef) -> None:
    first, second = job_ref.create_vnc_session(), job_ref.create_vnc_session()
    assert first != second
    assert len({first, second}) == 2


def test_a_member_may_not_create_a_session(server: FakeBuildkite, job_ref: JobRef) -> None:
    server.store.organizations["acme"].users[0].role = "member"
    for create in (job_ref.create_vnc_session, job_ref.create_ssh_session):
        with pytest.raises(PermissionDeniedError):
            create()


def test_a_session_for_an_unknown_job_or_a_disabled_service_is_not_found(bk: Buildkite, job_ref: JobRef) -> None:
    with pytest.raises(NotFoundError, match="No job found"):
        bk.organization("acme").job("0191").create_ssh_session()
    bk.organization("acme").pipeline_settings().disable_hosted_agents_ssh()
    with pytest.raises(NotFoundError, match="VNC access is not available"):
        job_ref.create_vnc_session()
    with pytest.raises(NotFoundError, match="SSH access is not available"):
        job_ref.create_ssh_session()


@pytest.mark.parametrize(
    "fields", [{"state": "passed"}, {"type": "waiter"}, {"agent": None}], ids=["it has ended", "no command", "no agent"]
)
def test_it_takes_a_command_that_runs(job_ref: JobRef, record: JobRecord, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(record, name, value)
    with pytest.raises(UnprocessableEntityError, match="not a running command job"):
        job_ref.create_vnc_session()


@pytest.mark.parametrize("shape", [None, "LINUX_AMD64_4X16"])
def test_it_takes_a_hosted_mac(job_ref: JobRef, record: JobRecord, shape: str | None) -> None:
    assert record.agent is not None
    record.agent.queue.instance_shape = shape
    with pytest.raises(UnprocessableEntityError, match="macOS"):
        job_ref.create_ssh_session()


def test_a_webhook_that_the_provider_cannot_create_is_not_requested_again(
    server: FakeBuildkite, job_ref: JobRef, costs: Costs
) -> None:
    server.settings.hosted_agents_fail = True
    with costs(1), pytest.raises(ServerError, match="could not be created") as caught:
        job_ref.create_vnc_session()
    assert caught.value.status == 503


def test_the_documented_examples_load_and_dump(examples: Examples) -> None:
    examples(VncSession, "jobs/create-a-remote-desktop-session")
    examples(SshSession, "jobs/create-an-ssh-session")
