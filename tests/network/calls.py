"""Refs of the objects that the raw servers serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.resources.builds.artifact import ArtifactRef
    from buildkite_orm.resources.builds.build import BuildRef
    from buildkite_orm.resources.builds.log import LogRef

JOB: Final = "0190abcd-0000-4000-8000-000000000001"
ARTIFACT: Final = "0190abcd-0000-4000-8000-000000000002"


def build(bk: Buildkite, number: int = 1) -> BuildRef:
    return web_pipeline(bk).build(number)


def log(bk: Buildkite) -> LogRef:
    return build(bk).job(JOB).log()


def artifact(bk: Buildkite) -> ArtifactRef:
    from buildkite_orm.resources.builds.artifact import ArtifactRef  # noqa: PLC0415

    return ArtifactRef.at(bk.session, f"{build(bk).job(JOB).api_path}/artifacts/{ARTIFACT}")
