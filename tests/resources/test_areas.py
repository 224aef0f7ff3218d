"""Areas: they load when first used, and each exports its own names."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from buildkite_orm import resources

AREAS = ("clusters", "organizations", "packages", "pipelines", "teams", "test_engine")


def test_the_client_imports_no_area_before_it_is_used() -> None:
    code = "import sys; from buildkite_orm import Buildkite; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    unrequested = {"clusters", "organizations", "packages", "teams", "test_engine", "portal", "rule"}
    unrequested |= {"pipelines", "builds.step_upload", "builds.remote_access"}
    assert [name for name in loaded for area in unrequested if name.startswith(f"{resources.__name__}.{area}")] == []
    assert "buildkite_orm.client" in loaded


@pytest.mark.parametrize("area", AREAS)
def test_type_checkers_see_the_modules_that_an_area_exports(area: str) -> None:
    module = import_module(f"{resources.__name__}.{area}")
    assert module.__file__
    tree = ast.parse(Path(module.__file__).read_text())
    stars = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"}
    names = [f"{module.__name__}.{each.name}" for each in iter_modules(module.__path__)]
    assert stars == {name for name in names if hasattr(import_module(name), "__all__")}


def test_a_name_loads_the_module_that_is_called_so() -> None:
    code = "import sys; from buildkite_orm.resources.organizations import Emoji; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    area = f"{resources.__name__}.organizations."
    assert [name for name in loaded if name.startswith(area)] == [f"{area}emoji"]


def test_an_area_has_no_other_names() -> None:
    teams = import_module(f"{resources.__name__}.teams")
    assert not hasattr(teams, "Cluster")
    assert not hasattr(teams, "_hidden")
    assert {"Team", "TeamSuiteRef"} <= set(dir(teams))


@pytest.mark.parametrize("area", AREAS)
def test_an_area_exports_its_names_sorted_and_explained(area: str) -> None:
    module = import_module(f"{resources.__name__}.{area}")
    assert sorted(set(module.__all__)) == module.__all__
    for name in module.__all__:
        exported = getattr(module, name)
        assert not inspect.isclass(exported) or inspect.getdoc(exported), name
