"""If the outcome of a write is unknown, the error names the URL that shows it."""

from __future__ import annotations

import pickle
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import BuildkiteError, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite, OrganizationRef
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.faults import Kind

    Write = Callable[[OrganizationRef], object]

ACME = "https://api.buildkite.com/v2/organizations/acme"
PACKAGES = "https://api.buildkite.com/v2/packages/organizations/acme/registries/files"
WRITES: dict[str, tuple[Write, str]] = {
    "create": (lambda org: org.clusters().create(name="x"), f"list {ACME}/clusters and look for it"),
    "update by PUT": (lambda org: org.cluster("c").update(name="x"), f"look at {ACME}/clusters/c"),
    "update by POST": (lambda org: org.registry("files").update(name="x"), f"look at {PACKAGES}"),
    "acting POST": (lambda org: org.pipeline("web").archive(), f"look at {ACME}/pipelines/web"),
    "acting PUT": (lambda org: org.pipeline("web").build(1).cancel(), f"look at {ACME}/pipelines/web/builds/1"),
    "delete": (lambda org: org.cluster("c").delete(), f"look at {ACME}/clusters/c"),
    "copy": (
        lambda org: org.registry("files").package("p").copy_to("archive"),
        f"list {PACKAGES.removesuffix('files')}archive/packages and look for it",
    ),
}


@pytest.mark.parametrize(("write", "look"), WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("kind", ["reset_before", "error", "html"])
def test_the_error_names_the_object_to_look_at(
    server: FakeBuildkite, bk: Buildkite, kind: Kind, write: Write, look: str
) -> None:
    server.faults.add(kind, times=None)
    with pytest.raises(BuildkiteError) as caught:
        write(bk.organization("acme"))
    assert caught.value.outcome_unknown
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):  # noqa: S301 - our own
        assert f"It may have happened nevertheless: before you send it again, {look}." in str(error)


def find_test(bk: Buildkite) -> object:
    return bk.organization("acme").suite("web").find_test(name="x")


def publish(bk: Buildkite) -> object:
    return bk.organization("acme").registry("files").packages().publish_presigned(BytesIO(b"x"), filename="x-1.0.0.zip")


@pytest.mark.parametrize("read", [find_test, publish])
def test_a_post_that_only_reads_is_retried_and_changes_nothing(
    server: FakeBuildkite, bk: Buildkite, read: Callable[[Buildkite], Any]
) -> None:
    server.faults.add("error", times=None)
    with pytest.raises(ServerError) as caught:
        read(bk)
    assert not caught.value.outcome_unknown
    assert [request.method for request in server.requests] == ["POST"] * 5
