"""What a shell works with is made once, and not after the shell was left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from buildkite_orm import ConfigurationError
from buildkite_orm.shell.context import Workplace
from buildkite_orm.shell.terminal import Arrival


class Shell:
    """Takes names as IPython does: those to tell of, and those that are just there."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}
        self.hidden: dict[str, Any] = {}

    def push(self, names: dict[str, Any], *, interactive: bool = True) -> None:
        (self.told if interactive else self.hidden).update(names)


def test_threads_that_open_it_get_one_client() -> None:
    workplace = Workplace(demo=True)
    with ThreadPoolExecutor(4) as pool:
        opened = [future.result() for future in [pool.submit(workplace.open) for _ in range(8)]]
    assert len({id(names["bk"]) for names in opened}) == 1
    assert workplace.client is opened[0]["bk"]
    workplace.close()


def test_the_demo_has_an_organization_and_takes_another() -> None:
    for slug, expected in ((None, "acme"), ("other", "other")):
        workplace = Workplace(demo=True, organization=slug)
        organization = workplace.organization
        assert organization is not None
        assert organization.api_path == f"organizations/{expected}"
        workplace.close()


def test_once_closed_nothing_is_made_any_more(capsys: pytest.CaptureFixture[str]) -> None:
    workplace, shell = Workplace(demo=True), Shell()
    workplace.close()
    workplace.close()
    Arrival(workplace, shell).come()
    assert (workplace.open(), shell.told, shell.hidden) == ({}, {}, {})
    assert capsys.readouterr().out == ""


def test_the_banner_waits_for_the_end_of_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    workplace = Workplace(demo=True)
    arrival = Arrival(workplace, Shell())
    arrival.before_cell(SimpleNamespace(raw_cell="print(org)"))
    arrival.come()
    assert capsys.readouterr().out == ""
    arrival.after_cell(SimpleNamespace(success=True))
    assert len(capsys.readouterr().out.splitlines()) == 3
    arrival.after_cell(SimpleNamespace(success=True))
    assert capsys.readouterr().out == ""
    workplace.close()


def test_the_names_come_once_and_those_of_the_package_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    workplace, shell = Workplace(demo=True), Shell()
    arrival = Arrival(workplace, shell)
    arrival.come()
    assert shell.told.keys() == {"bk", "org"}
    assert {"Build", "BuildState", "NotFoundError", "help"} <= shell.hidden.keys()
    assert len(capsys.readouterr().out.splitlines()) == 3
    shell.told["bk"] = "another"
    arrival.before_cell(SimpleNamespace(raw_cell="bk"))
    assert shell.told["bk"] == "another"
    workplace.close()


def test_without_a_token_there_is_no_client() -> None:
    with pytest.raises(ConfigurationError, match="no token"):
        Workplace().open()
