"""The examples in docstrings run against the fake, with `bk` as its client."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import buildkite_orm

if TYPE_CHECKING:
    from buildkite_orm.fake import FakeBuildkite

PACKAGE = Path(buildkite_orm.__file__).parent


def names() -> list[str]:
    """Return the names of the modules that have examples."""
    found = [path for path in sorted(PACKAGE.rglob("*.py")) if re.search(r"^ *>>> ", path.read_text(), re.MULTILINE)]
    parts = [path.relative_to(PACKAGE.parent).with_suffix("").parts for path in found]
    return [".".join(each[:-1] if each[-1] == "__init__" else each) for each in parts]


def examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder()
    return [test for name in names() for test in finder.find(import_module(name), name) if test.examples]


EXAMPLES = examples()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_example_of_a_docstring_works_as_shown(
    example: doctest.DocTest, acme: FakeBuildkite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUILDKITE_API_TOKEN", acme.token)
    monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", acme.url)
    output: list[str] = []
    with acme.client() as bk:
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
        example.globs |= {"bk": bk, **{name: getattr(buildkite_orm, name) for name in buildkite_orm.__all__}}
        failed, run = runner.run(example, out=output.append)
    assert run > 0
    assert failed == 0, "".join(output)


def test_the_examples_are_found() -> None:
    found = {example.name for example in EXAMPLES}
    assert found >= {
        "buildkite_orm.client.Buildkite",
        "buildkite_orm.client.Buildkite.from_url",
        "buildkite_orm.resources.pipelines.pipeline.Pipeline",
        "buildkite_orm.resources.builds.build_queryset.PipelineBuildQuerySet.create",
        "buildkite_orm.resources.builds.job.JobRef",
    }
