"""The paths of a build's artifacts in a folder: each has its own, for any names."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkite_orm import Artifact
from buildkite_orm.files.bulk import unique_paths

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


def artifact(path: str, job: str = A, key: str = "1") -> Artifact:
    url = f"https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds/1/jobs/{job}/artifacts/{key}"
    return Artifact.model_validate({"id": key, "job_id": job, "url": url, "state": "finished", "path": path})


def places(*paths: tuple[str, str], ignores_case: bool = False) -> list[str]:
    """Return the paths of artifacts, each made of its path and its job."""
    artifacts = [artifact(path, job, str(at)) for at, (path, job) in enumerate(paths)]
    return unique_paths(artifacts, "path", ignores_case=ignores_case)


def test_each_goes_to_its_own_path() -> None:
    assert places(("log/a.txt", A), ("log/b.txt", B)) == ["log/a.txt", "log/b.txt"]


def test_those_of_several_jobs_that_are_called_the_same_go_below_their_jobs() -> None:
    found = places(("report.xml", A), ("other.xml", A), ("report.xml", B))
    assert found == [f"{A}/report.xml", "other.xml", f"{B}/report.xml"]


def test_it_does_not_depend_on_the_order() -> None:
    files = [("report.xml", A), ("report.xml", B), ("a", A), ("a/b", B)]
    both = [artifact(path, job, f"{path} {job}") for path, job in files]
    forward, backward = (unique_paths(each, "path") for each in (both, both[::-1]))
    assert forward == backward[::-1]


def test_those_of_one_job_that_are_called_the_same_go_below_their_own_ids() -> None:
    assert places(("a", A), ("./a", A), ("b", A)) == [f"{A}/0/a", f"{A}/1/./a", "b"]


def test_no_file_has_the_path_of_a_folder_that_another_needs() -> None:
    assert places(("out", A), ("out/log.txt", B)) == [f"{A}/out", "out/log.txt"]
    assert places(("out/log.txt", A), ("out\\log.txt/x", A)) == [f"{A}/out/log.txt", "out\\log.txt/x"]


def test_if_case_does_not_state_files_apart_they_are_kept_apart() -> None:
    files = [("README", A), ("readme", B), ("gr\u00f6\u00dfe", A), ("GRO\u0308SSE", B)]
    assert places(*files) == [path for path, _ in files]
    assert places(*files, ignores_case=True) == [f"{job}/{path}" for path, job in files]


def test_a_path_that_looks_like_a_folder_of_a_job_replaces_no_other_file() -> None:
    found = places(("x", A), ("x", B), (f"{B}/x", A))
    assert len(set(found)) == 3
    assert found[0] == f"{A}/x"


def test_by_job_all_go_below_their_jobs() -> None:
    both = [artifact("a", A, "1"), artifact("a", B, "2"), artifact("b", B, "3")]
    assert unique_paths(both, "job") == [f"{A}/a", f"{B}/a", f"{B}/b"]


def test_a_function_chooses_the_paths_and_they_are_kept_distinct() -> None:
    both = [artifact("x/a", A, "1"), artifact("y/a", B, "2"), artifact("y/b", B, "3")]
    found = unique_paths(both, lambda each: PurePosixPath(each.path).name)
    assert found == [f"{A}/a", f"{B}/a", "b"]


@pytest.mark.parametrize("folds", [False, True])
@settings(deadline=None)
@given(files=st.lists(st.tuples(st.text("aA/", min_size=1, max_size=4), st.sampled_from([A, B])), max_size=8))
def test_no_two_files_have_the_same_path(files: list[tuple[str, str]], folds: bool) -> None:  # noqa: FBT001 - a case
    safe = [(path.strip("/") or "a", job) for path, job in files]
    found = [PurePosixPath(each.casefold() if folds else each) for each in places(*safe, ignores_case=folds)]
    assert len(set(found)) == len(found)
    assert not any(one in other.parents for one in found for other in found)
