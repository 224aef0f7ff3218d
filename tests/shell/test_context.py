"""The client of a shell is created once, and not after the shell was left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from buildkite_orm import ConfigurationError
from buildkite_orm.shell.context import ShellContext
from buildkite_orm.shell.terminal import NamespaceLoader


class Shell:
    """Takes names as IPython does: those that its banner lists, and hidden ones."""

    def __init__(self) -> None:
        self.shown: dict[str, Any] = {}
        self.hidden: dict[str, Any] = {}

    def push(self, names: dict[str, Any], *, interactive: bool = True) -> None:
        (self.shown if interactive else self.hidden).update(names)


def test_threads_that_open_it_get_one_client() -> None:
    context = ShellContext(demo=True)
    with ThreadPoolExecutor(4) as pool:
        open_brackets = [future.result() for future in [pool.submit(context.open) for _ in range(8)]]
    assert len({id(names["bk"]) for names in open_brackets}) == 1
    assert context.client is open_brackets[0]["bk"]
    context.close()


def test_the_demo_has_an_organization_and_takes_another() -> None:
    for slug, expected in ((None, "acme"), ("other", "other")):
        context = ShellContext(demo=True, organization=slug)
        organization = context.organization
        assert organization is not None
        assert organization.api_path == f"organizations/{expected}"
        context.close()


def test_a_closed_context_creates_no_client(capsys: pytest.CaptureFixture[str]) -> None:
    context, shell = ShellContext(demo=True), Shell()
    context.close()
    context.close()
    NamespaceLoader(context, shell).load()
    assert (context.open(), shell.shown, shell.hidden) == ({}, {}, {})
    assert capsys.readouterr().out == ""


def test_the_banner_waits_for_the_end_of_the_running_cell(capsys: pytest.CaptureFixture[str]) -> None:
    context = ShellContext(demo=True)
    loader = NamespaceLoader(context, Shell())
    loader.before_cell(SimpleNamespace(raw_cell="print(org)"))
    loader.load()
    assert capsys.readouterr().out == ""
    loader.after_cell(SimpleNamespace(success=True))
    assert len(capsys.readouterr().out.splitlines()) == 4
    loader.after_cell(SimpleNamespace(success=True))
    assert capsys.readouterr().out == ""
    context.close()


def test_the_names_are_added_once_and_those_of_the_package_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    context, shell = ShellContext(demo=True), Shell()
    loader = NamespaceLoader(context, shell)
    loader.load()
    assert shell.shown.keys() == {"bk", "org"}
    assert {"Build", "BuildState", "NotFoundError", "help"} <= shell.hidden.keys()
    assert len(capsys.readouterr().out.splitlines()) == 4
    shell.shown["bk"] = "another"
    loader.before_cell(SimpleNamespace(raw_cell="bk"))
    assert shell.shown["bk"] == "another"
    context.close()


def test_without_a_token_there_is_no_client() -> None:
    with pytest.raises(ConfigurationError, match="no token"):
        ShellContext().open()
