"""Calls of the operations on builds, jobs, annotations, artifacts, agents, accounts and step uploads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.fake.handlers.step_uploads import add_step_upload

if TYPE_CHECKING:
    from buildkite_orm import ArtifactRef, JobRef
    from buildkite_orm.fake.records import AgentRecord, JobRecord
    from buildkite_orm.resources.builds.log import LogRef
    from tests.operations.stage import Call, Stage

TIME: Final = datetime(2026, 7, 1, tzinfo=UTC)
BUILD_FILTERS: Final[Any] = {
    "branch": "main",
    "commit": "a" * 40,
    "created_from": TIME,
    "created_to": TIME,
    "creator": "0190",
    "with_pipeline": False,
    "finished_from": TIME,
    "include_paused": True,
    "meta_data": {"release": "1"},
    "state": "failed",
}
ANNOTATION: Final[Any] = {"body": "b", "style": "info", "priority": 5, "context": "c", "append": True}


def agent_id(stage: Stage, **fields: Any) -> str:
    agent: AgentRecord = stage.server.add_agent(**fields)
    return agent.id


def paused_agent_id(stage: Stage) -> str:
    identity = agent_id(stage)
    stage.admin.agent(identity).pause()
    return identity


def artifact(stage: Stage) -> ArtifactRef:
    record = stage.server.add_artifact(stage.add_job(), "a.txt", b"hello")
    return stage.org.job(record.job.id).artifact(record.id)


def delete_build_annotation(stage: Stage) -> None:
    build = stage.add_build()
    stage.server.add_annotation(build)
    (annotation,) = stage.admin.pipeline("web").build(build.number).annotations()
    stage.by_client(annotation).delete()


def delete_job_annotation(stage: Stage) -> None:
    job = stage.add_job()
    stage.server.add_annotation(job.build, job=job)
    (annotation,) = stage.admin.job(job.id).annotations()
    stage.by_client(annotation).delete()


def list_build_annotations(stage: Stage) -> object:
    build = stage.add_build()
    stage.server.add_annotation(build)
    ref = stage.web.build(build.number)
    return ref.annotations(scope="all", omit_body=True), ref.annotations()


def list_job_annotations(stage: Stage) -> object:
    job = stage.add_job()
    stage.server.add_annotation(job.build, job=job)
    return stage.org.job(job.id).annotations()


def builds_with_jobs(**filters: Any) -> Any:
    return BUILD_FILTERS | {"with_jobs": True, "include_retried_jobs": True} | filters


def list_jobs(stage: Stage) -> object:
    ref = stage.build(jobs=[{"state": "failed", "step_key": "s"}])
    filtered = ref.jobs(state=["failed"], include_retried_jobs=True, step_key="s", group_key="g")
    return filtered, ref.jobs()


def logged(stage: Stage) -> LogRef:
    job = stage.add_job()
    stage.server.set_log(job, b"0123456789\n" * 10_000)
    return stage.org.job(job.id).log()


def hosted_job(stage: Stage) -> JobRef:
    """A job that runs on a hosted macOS agent, which remote access is enabled for."""
    stage.admin.pipeline_settings().enable_hosted_agents_ssh()
    store, acme = stage.server.store, stage.server.store.organizations["acme"]
    queue = store.add_queue(acme, "mac", cluster=store.add_cluster(acme, "Macs"), instance_shape="MACOS_ARM64_M4_6X28")
    return stage.job(state="running", agent=store.add_agent(acme, queue=queue, os_id="darwin"))


def step_upload(stage: Stage) -> tuple[JobRecord, str]:
    job = stage.add_job()
    return job, add_step_upload(stage.server.store, job, "steps: []").id


def get_step_upload(stage: Stage) -> object:
    job, uuid = step_upload(stage)
    return stage.web.build(job.build.number).step_upload(uuid).fetch()


def list_step_uploads(stage: Stage) -> object:
    job, _ = step_upload(stage)
    return stage.web.build(job.build.number).step_uploads(source_job_id=job.id)


CALLS: Final[dict[str, Call]] = {
    "access_token.get-the-current-token": lambda s: s.bk.access_token(),
    "access_token.revoke-the-current-token": lambda s: s.by_client(s.admin_token()).revoke(),
    "agents.get-an-agent": lambda s: s.org.agent(agent_id(s)).fetch(),
    "agents.list-agents": lambda s: s.org.agents(name="n", hostname="h", version="3.1.0", cluster_queue_id="0190"),
    "agents.pause-an-agent": lambda s: s.org.agent(agent_id(s)).pause(note="n", timeout_in_minutes=5),
    "agents.resume-an-agent": lambda s: s.org.agent(paused_agent_id(s)).resume(),
    "agents.stop-an-agent": lambda s: s.org.agent(agent_id(s)).stop(force=False),
    "annotations.create-an-annotation-on-a-build": lambda s: s.build().annotations().create(**ANNOTATION),
    "annotations.create-an-annotation-on-a-job": lambda s: s.job().annotations().create(**ANNOTATION),
    "annotations.delete-an-annotation-on-a-build": delete_build_annotation,
    "annotations.delete-an-annotation-on-a-job": delete_job_annotation,
    "annotations.list-annotations-for-a-build": list_build_annotations,
    "annotations.list-annotations-for-a-job": list_job_annotations,
    "artifacts.delete-an-artifact": lambda s: artifact(s).delete(),
    "artifacts.download-an-artifact": lambda s: artifact(s).download(),
    "artifacts.get-an-artifact": lambda s: artifact(s).fetch(),
    "artifacts.list-artifacts-for-a-build": lambda s: s.build().artifacts(state="finished", path="a.txt"),
    "artifacts.list-artifacts-for-a-job": lambda s: s.job().artifacts(state="finished", path="a.txt"),
    "builds.cancel-a-build": lambda s: s.build(state="running").cancel(),
    "builds.create-a-build": lambda s: s.web.builds().create(
        commit="HEAD",
        branch="main",
        author={"name": "Ada", "email": "ada@acme.example"},
        clean_checkout=True,
        env={"A": "1"},
        ignore_pipeline_branch_filters=True,
        message="m",
        meta_data={"a": "1"},
        pull_request_base_branch="main",
        pull_request_id=7,
        pull_request_labels=["bug"],
        pull_request_repository="https://git.example/acme/web.git",
    ),
    "builds.get-a-build": lambda s: (
        (ref := s.build(jobs=1)).fetch(include_retried_jobs=True, include_test_engine=True, job_states=["passed"]),
        ref.fetch(with_jobs=False, with_pipeline=False),
    ),
    "builds.list-all-builds": lambda s: (s.bk.builds(**BUILD_FILTERS), s.bk.builds(**builds_with_jobs())),
    "builds.list-builds-for-a-pipeline": lambda s: (s.web.builds(**BUILD_FILTERS), s.web.builds(**builds_with_jobs())),
    "builds.list-builds-for-an-organization": lambda s: (
        s.org.builds(**BUILD_FILTERS),
        s.org.builds(**builds_with_jobs()),
    ),
    "builds.rebuild-a-build": lambda s: s.build().rebuild(),
    "builds.retry-failed-jobs-for-a-build": lambda s: s.build(
        state="failed", jobs=[{"state": "failed", "exit_status": 1}]
    ).retry_failed_jobs(states=["failed"]),
    "emojis.list-emojis": lambda s: s.org.emojis(),
    "jobs.create-a-remote-desktop-session": lambda s: hosted_job(s).create_vnc_session(),
    "jobs.create-an-ssh-session": lambda s: hosted_job(s).create_ssh_session(),
    "jobs.delete-a-job-s-log-output": lambda s: logged(s).delete(),
    "jobs.get-a-job": lambda s: s.job().fetch(),
    "jobs.get-a-job-s-environment-variables": lambda s: s.job().environment(),
    "jobs.get-a-job-s-log-output": lambda s: logged(s).fetch(),
    "jobs.get-a-log-tail-using-a-range-request": lambda s: logged(s).tail(2),
    "jobs.get-log-size-without-downloading": lambda s: logged(s).fetch_size(),
    "jobs.list-jobs": list_jobs,
    "jobs.reprioritize-a-job": lambda s: s.job(state="scheduled").reprioritize(5),
    "jobs.retry-a-job": lambda s: s.job(state="failed", exit_status=1).retry(),
    "jobs.unblock-a-job": lambda s: s.job(type="manual", state="blocked").unblock(
        fields={"a": "1"}, unblocker=s.user_id
    ),
    "meta.get-meta-information": lambda s: s.bk.meta(),
    "step_uploads.get-a-step-upload": get_step_upload,
    "step_uploads.list-step-uploads": list_step_uploads,
    "user.get-the-current-user": lambda s: s.bk.user(),
}
