"""The plugin for pytest, in runs of its own: beside other plugins, in parallel, and in random order."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildkite_orm.fake import FakeBuildkite, Settings
from tests.helpers import pytest_plugin_options

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
ENTRY = "buildkite_orm.testing.plugin"
OTHERS = ("-p", "no:randomly", "-p", "no:buildkite", "-p", "no:cacheprovider")

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _no_sleep() -> None:
    """Allow to sleep, which Python does while it waits for a process for a limited time."""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Runs pytest in processes of their own, with the plugin."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester


def pytest_with(run: pytest.Pytester, *options: str, plugins: tuple[str, ...] = OTHERS) -> pytest.RunResult:
    own = pytest_plugin_options()
    return run.runpytest_subprocess("-W", "error", "--strict-markers", *own, *plugins, *options, timeout=120)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBuildkite]:
    """A fake in the place of Buildkite, which the environment names."""
    with FakeBuildkite(settings=Settings(organization_limit=None, user_limit=None)) as server:
        monkeypatch.setenv("BUILDKITE_API_TOKEN", server.token)
        monkeypatch.setenv("BUILDKITE_ORGANIZATION_SLUG", "acme")
        monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", server.url)
        yield server


def forget_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BUILDKITE_API_TOKEN", "BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_REST_API_ENDPOINT"):
        monkeypatch.delenv(name)


# -- the plugin itself


def test_the_package_declares_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"buildkite_orm": ENTRY}


def test_the_plugin_imports_nothing_of_the_library_before_a_fixture_is_used(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
        import sys

        LIGHT = {
            "buildkite_orm", "buildkite_orm._version", "buildkite_orm.testing", "buildkite_orm.testing.plugin",
            "buildkite_orm.utils", "buildkite_orm.utils.lazy",
        }

        def loaded():
            return {name for name in sys.modules if name.partition(".")[0] == "buildkite_orm"}

        def test_before():
            assert loaded() == LIGHT

        def test_fixture(fake_buildkite):
            assert "buildkite_orm.fake.server" in loaded()
        """
    )
    pytest_with(run).assert_outcomes(passed=2)


def test_the_plugin_imports_no_dependency_of_the_library() -> None:
    code = (
        f"import sys, {ENTRY}; print({{'pydantic', 'requests', 'tenacity', 'urllib3', 'werkzeug'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"


def test_the_recorder_is_imported_without_pytest() -> None:
    code = "import sys; from buildkite_orm.testing import Recorder; print(Recorder.__name__, 'pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "Recorder False\n"


def test_fixtures_markers_and_options_are_listed_with_their_help(run: pytest.Pytester) -> None:
    fixtures = pytest_with(run, "--fixtures").stdout.str()
    assert [name for name in ("fake_buildkite", "buildkite_client", "buildkite_recorded") if name not in fixtures] == []
    markers = pytest_with(run, "--markers").stdout.str()
    assert "@pytest.mark.fake_buildkite(populate=True, seed=2026, **settings)" in markers
    assert "@pytest.mark.buildkite_recorded(files=False)" in markers
    pytest_with(run, "--help").stdout.fnmatch_lines(["*--buildkite-orm-record*", "*--buildkite-orm-live*"])


# -- fake_buildkite and buildkite_client


def test_scripts_find_the_fake_by_the_environment(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
        import os, subprocess, sys
        from buildkite_orm import Buildkite

        SCRIPT = "from buildkite_orm import Buildkite; print(Buildkite().organization().pipeline('web').fetch().name)"

        def test_here(fake_buildkite):
            with Buildkite() as bk:
                assert bk.organization().fetch().slug == "acme"
            assert [request.status for request in fake_buildkite.requests] == [200]

        def test_in_another_process(fake_buildkite):
            done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
            assert done.stdout == "Web\\n", done.stderr

        def test_not_without_the_fixture():
            assert {name for name in os.environ if name.startswith("BUILDKITE_")} == set()
        """
    )
    pytest_with(run).assert_outcomes(passed=3)


def test_the_client_is_that_of_the_fake_and_never_sleeps(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
        import time

        def test_wait(buildkite_client, fake_buildkite, monkeypatch):
            monkeypatch.setattr(time, "sleep", None)
            before = fake_buildkite.clock.now()
            builds = buildkite_client.organization().pipeline("hello").builds()
            assert builds.create(commit="HEAD", branch="main").wait().state == "passed"
            assert fake_buildkite.clock.now() > before
            assert len(fake_buildkite.requests) > 1
        """
    )
    pytest_with(run).assert_outcomes(passed=1)


def test_markers_set_contents_and_settings_from_the_module_to_the_function(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.fake_buildkite(populate=False, user_limit=7)

        def test_module(fake_buildkite, buildkite_client):
            assert list(buildkite_client.organization().pipelines()) == []
            assert (fake_buildkite.settings.user_limit, fake_buildkite.settings.organization_limit) == (7, 200)

        @pytest.mark.fake_buildkite(seed=1, organization_limit=None)
        class TestClass:
            def test_class(self, fake_buildkite):
                assert fake_buildkite.store.seed == 1
                assert fake_buildkite.settings.organization_limit is None
                assert fake_buildkite.settings.user_limit == 7

            @pytest.mark.fake_buildkite(user_limit=8, populate=True)
            def test_function(self, fake_buildkite, buildkite_client):
                assert fake_buildkite.settings.user_limit == 8
                assert len(list(buildkite_client.organization().pipelines())) > 1
        """
    )
    pytest_with(run).assert_outcomes(passed=3)


def test_a_wrong_marker_names_what_there_is(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
        import pytest

        @pytest.mark.fake_buildkite(populated=False)
        def test_unknown(fake_buildkite): ...

        @pytest.mark.fake_buildkite(False)
        def test_positional(fake_buildkite): ...

        @pytest.mark.buildkite_recorded(file=True)
        def test_recorded(buildkite_recorded): ...
        """
    )
    result = pytest_with(run)
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines_random(
        [
            "*fake_buildkite has no argument populated; it has: *populate*seed*user_limit*",
            "*fake_buildkite: its arguments have names, as in fake_buildkite(populate=*",
            "*buildkite_recorded has no argument file; it has: files*",
        ]
    )


# -- buildkite_recorded

RECORDED = """
    import pytest

    def test_name(buildkite_recorded):
        assert buildkite_recorded.organization().pipeline("web").fetch().slug == "web"

    class TestBuild:
        @pytest.mark.parametrize("state", ["failed", "pass/ed"])
        def test_state(self, buildkite_recorded, state):
            state = state.replace("/", "")
            builds = buildkite_recorded.organization().pipeline("web").builds(state=state)
            assert builds[0].state == state

    @pytest.mark.buildkite_recorded(files=True)
    def test_log(buildkite_recorded):
        build = buildkite_recorded.organization().pipeline("web").builds(state="failed", with_jobs=True)[0]
        assert "exited with status" in build.failed_jobs()[0].log().fetch().text
"""


def test_tests_are_recorded_and_then_replayed_without_an_account(
    run: pytest.Pytester, server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.makepyfile(test_web=RECORDED)
    pytest_with(run, "--buildkite-orm-record").assert_outcomes(passed=4)
    sent = len(server.requests)
    assert sent == 5
    folder = run.path / "cassettes" / "test_web"
    names = sorted(path.name for path in folder.iterdir())
    assert [re.sub("-[0-9a-f]{8}", "", name) for name in names] == [
        "TestBuild.test_state-failed.json",
        "TestBuild.test_state-pass-ed.json",
        "test_log.json",
        "test_name.json",
    ]
    assert server.token not in "".join(path.read_text() for path in folder.iterdir())
    forget_the_account(monkeypatch)
    pytest_with(run).assert_outcomes(passed=4)
    assert len(server.requests) == sent


def test_a_test_without_a_cassette_says_how_to_record_it(run: pytest.Pytester, server: FakeBuildkite) -> None:
    run.makepyfile(test_web=RECORDED)
    result = pytest_with(run, "-k", "name")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*there is no cassette '*test_name.json'*pytest --buildkite-orm-record*"])
    assert server.requests == []


def test_a_changed_test_fails_with_the_closest_request(
    run: pytest.Pytester, server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.makepyfile(test_web=RECORDED)
    pytest_with(run, "--buildkite-orm-record", "-k", "name").assert_outcomes(passed=1)
    forget_the_account(monkeypatch)
    run.makepyfile(test_web=RECORDED.replace('pipeline("web").fetch()', 'pipeline("api").fetch()'))
    result = pytest_with(run, "-k", "name")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*has no such request; the closest is GET organizations/acme/pipelines/web.*"])
    assert len(server.requests) == 1


def test_a_live_run_uses_the_account_and_no_cassette(run: pytest.Pytester, server: FakeBuildkite) -> None:
    run.makepyfile(test_web=RECORDED)
    for _ in range(2):
        pytest_with(run, "--buildkite-orm-live", "-k", "name").assert_outcomes(passed=1)
    assert len(server.requests) == 2
    assert not (run.path / "cassettes").exists()


def test_the_account_of_the_environment_does_not_change_a_replay(
    run: pytest.Pytester, server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.makepyfile(test_web=RECORDED)
    pytest_with(run, "--buildkite-orm-record", "-k", "name").assert_outcomes(passed=1)
    monkeypatch.setenv("BUILDKITE_ORGANIZATION_SLUG", "another")
    monkeypatch.setenv("BUILDKITE_API_TOKEN", "another-token")
    pytest_with(run, "-k", "name").assert_outcomes(passed=1)
    assert len(server.requests) == 1


def test_both_options_together_are_a_usage_error(run: pytest.Pytester) -> None:
    result = pytest_with(run, "--buildkite-orm-record", "--buildkite-orm-live")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*cannot be combined*"])


# -- beside other plugins


def test_in_parallel_and_in_random_order_each_test_has_its_own_server_and_cassette(
    run: pytest.Pytester, server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.makepyfile(
        test_web=RECORDED,
        test_many="""
        import pytest
        from buildkite_orm import Buildkite

        @pytest.mark.fake_buildkite(populate=False)
        @pytest.mark.parametrize("number", range(6))
        def test_own(fake_buildkite, buildkite_client, number):
            fake_buildkite.add_pipeline(f"own-{number}")
            slugs = [pipeline.slug for pipeline in buildkite_client.organization().pipelines()]
            assert slugs == [f"own-{number}"]
            with Buildkite() as bk:
                assert [pipeline.slug for pipeline in bk.organization().pipelines()] == slugs

        @pytest.mark.parametrize("number", range(4))
        def test_recorded(buildkite_recorded, number):
            assert buildkite_recorded.organization().pipeline("web").build(100 + number).fetch().number == 100 + number
        """,
    )
    random_order = ("-p", "no:buildkite", "-n", "2", "-p", "randomly")
    pytest_with(run, "--buildkite-orm-record", plugins=random_order).assert_outcomes(passed=14)
    sent = len(server.requests)
    forget_the_account(monkeypatch)
    pytest_with(run, plugins=random_order).assert_outcomes(passed=14)
    assert len(server.requests) == sent


@pytest.mark.skipif(find_spec("pytest_buildkite") is None, reason="install the extra check")
@pytest.mark.skipif(os.name == "nt", reason="the agent of this test is a shell script")
def test_the_plugin_works_beside_pytest_buildkite(run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a hook that pytest 8 has removed, which is taken out of it here."""
    agent = run.mkdir("bin") / "buildkite-agent"
    agent.write_text('#!/bin/sh\necho "$1" >> annotated.txt\n')
    agent.chmod(0o755)
    monkeypatch.setenv("PATH", f"{agent.parent}{os.pathsep}{os.environ['PATH']}")
    run.makepyfile(without_hook="import pytest_buildkite\ndel pytest_buildkite.pytest_warning_captured")
    run.makepyfile("def test_own(buildkite_client):\n    assert buildkite_client.user().id")
    options = ("-p", "without_hook", "-p", "no:randomly", "-p", "no:pytest_cov", "-W", "ignore")
    pytest_with(run, plugins=options).assert_outcomes(passed=1)
    assert "annotate" in (run.path / "annotated.txt").read_text()


def test_the_cassettes_of_a_test_are_json(run: pytest.Pytester, server: FakeBuildkite) -> None:
    run.makepyfile(test_web=RECORDED)
    pytest_with(run, "--buildkite-orm-record", "-k", "name").assert_outcomes(passed=1)
    (path,) = (run.path / "cassettes" / "test_web").iterdir()
    assert [each["request"]["path"] for each in json.loads(path.read_text())["exchanges"]] == [
        "organizations/acme/pipelines/web"
    ]
    assert len(server.requests) == 1
