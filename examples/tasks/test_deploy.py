"""Test a function that uses Buildkite, without a network and an account.

python -m pytest test_deploy.py
"""

from collections.abc import Iterator

import pytest

from buildkite_orm import Buildkite
from buildkite_orm.fake import FakeBuildkite


def deploy(bk: Buildkite, release: str) -> str:
    """Deploy a release: the function under test."""
    build = bk.organization("acme").pipeline("deploy").builds().create(commit="HEAD", branch="main")
    build.wait()
    build.unblock_all(fields={"release-name": release})
    return str(build.wait().state)


@pytest.fixture
def server() -> Iterator[FakeBuildkite]:
    """A Buildkite in memory, with the organization `acme`."""
    with FakeBuildkite() as server:
        yield server


def test_a_release_is_deployed(server: FakeBuildkite) -> None:
    """A release is deployed, and it takes no real time."""
    assert deploy(server.client(), "Flying Dolphin") == "passed"


def test_a_deployment_may_fail(server: FakeBuildkite) -> None:
    """A deployment that fails is reported."""
    server.set_outcome(step_key="deploy", exit_status=1)
    assert deploy(server.client(), "Flying Dolphin") == "failed"
