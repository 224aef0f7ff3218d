"""The shape of the package: imports run down, modules stand alone, files stay readable."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "buildkite_orm"
LONGEST = 500

# From low to high: a module imports only from earlier entries. A folder is one entry.
FLOORS = (
    "_version",
    "utils",
    "errors",
    "progress",
    "http",
    "cache",
    "models",
    "querysets",
    "files",
    "logs",
    "resources",
    "data",
    "webhooks",
    "client",
    "dlt",
    "views",
    "shell",
    "testing",
    "cli",
    "__main__",
)


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
CLIENT = {name: path for name, path in SOURCES.items() if not f"{name}.".startswith("buildkite_orm.fake.")}
FAKE = {name: path for name, path in SOURCES.items() if name not in CLIENT}


def is_for_type_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def run_when_imported(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported, without those in functions and for type checkers."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield node
        if is_for_type_checkers(node):
            yield from run_when_imported(getattr(node, "orelse", []))
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from run_when_imported(getattr(node, part, []))
        for handler in getattr(node, "handlers", []):
            yield from run_when_imported(handler.body)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in run_when_imported(ast.parse(path.read_text()).body):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            module = node.module or ""
            found |= {name for alias in node.names if (name := f"{module}.{alias.name}") in SOURCES} or {module}
    return {name for name in found if name.split(".")[0] == "buildkite_orm"}


def floor_of(module: str) -> str:
    return module.split(".")[1]


def test_every_module_has_a_floor() -> None:
    floors = {floor_of(name) for name in CLIENT if name != "buildkite_orm"}
    assert floors <= set(FLOORS), "a new module: say in FLOORS where it stands"


def test_imports_run_only_down() -> None:
    for module in CLIENT.keys() - {"buildkite_orm"}:
        here = FLOORS.index(floor_of(module))
        for imported in imports(CLIENT[module]) - {"buildkite_orm"}:
            there = FLOORS.index(floor_of(imported))
            assert there < here or floor_of(imported) == floor_of(module), f"{module} imports {imported}"


def test_a_folder_imports_nothing_itself_but_the_names_of_its_own_area() -> None:
    folders = {module: path for module, path in CLIENT.items() if path.name == "__init__.py"}
    for module, path in folders.items():
        if module != "buildkite_orm":
            assert {each for each in imports(path) if not each.startswith(f"{module}.")} <= {"buildkite_orm.utils.lazy"}
    assert imports(folders["buildkite_orm.resources"]) == set()


def test_nothing_imports_the_top_of_the_package() -> None:
    for module, path in CLIENT.items():
        assert "buildkite_orm" not in imports(path), module


@pytest.mark.parametrize("modules", [CLIENT, FAKE], ids=["client", "fake"])
def test_there_are_no_import_cycles(modules: dict[str, Path]) -> None:
    graph = {module: imports(path) - {module} for module, path in modules.items() if path.name != "__init__.py"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_fake_shares_nothing_with_the_client() -> None:
    for module, path in FAKE.items():
        assert imports(path) & CLIENT.keys() == set(), module


def test_the_fake_takes_from_the_client_only_the_client_to_hand_out() -> None:
    taken: set[str] = set()
    for path in FAKE.values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and not f"{node.module}.".startswith("buildkite_orm.fake."):
                taken |= {f"{node.module}"} & CLIENT.keys()
    assert taken <= {"buildkite_orm.client"}


def test_the_client_knows_nothing_of_the_fake() -> None:
    may_serve_it = ("buildkite_orm.cli", "buildkite_orm.shell.context", "buildkite_orm.testing.plugin")
    for module, path in CLIENT.items():
        if module in may_serve_it:
            continue
        assert "buildkite_orm.fake" not in path.read_text().replace("`buildkite_orm.fake`", ""), module


def test_only_the_session_and_the_http_layer_touch_requests() -> None:
    touching: set[str] = set()
    for module, path in CLIENT.items():
        for node in run_when_imported(ast.parse(path.read_text()).body):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & {"requests", "urllib3"}:
                touching.add(module)
    own = {module for module in touching if module.startswith(("buildkite_orm.http.", "buildkite_orm.testing."))}
    assert touching - own <= {"buildkite_orm.http.session", "buildkite_orm.http.transport"}


def test_no_file_is_too_long_to_read() -> None:
    files = [*SOURCES.values(), *(ROOT / "examples").rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


# -- alone, and lightly


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("backwards", [False, True])
def test_every_module_can_be_imported_first(backwards: bool) -> None:  # noqa: FBT001 - a case
    """Two orders are enough, since there are no import cycles."""
    names = sorted((name for name in SOURCES if not name.endswith("__main__")), reverse=backwards)
    done = run(f"import importlib\nfor name in {names!r}: importlib.import_module(name)")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("statement", "light"),
    [
        ("import buildkite_orm", ("requests", "pydantic", "tenacity", "urllib3", "werkzeug", "buildkite_orm.client")),
        ("import buildkite_orm; dir(buildkite_orm); buildkite_orm.__version__", ("requests", "pydantic")),
        ("from buildkite_orm import BuildkiteError, NotFoundError", ("requests", "pydantic", "tenacity")),
        ("from buildkite_orm import Build, Pipeline, Job", ("werkzeug", "buildkite_orm.fake", "buildkite_orm.client")),
        ("from buildkite_orm import Buildkite", ("werkzeug", "buildkite_orm.fake", "buildkite_orm.files.download")),
        (
            "from buildkite_orm import Buildkite; Buildkite('bkua').organization('acme').pipeline('web').build(1)",
            (
                "tenacity",
                "statistics",
                "buildkite_orm.querysets.time_pagination",
                "buildkite_orm.resources.account",
                "buildkite_orm.resources.agent",
                "buildkite_orm.resources.builds.artifact",
                "buildkite_orm.resources.pipelines.pipeline",
                "buildkite_orm.resources.pipelines.provider",
            ),
        ),
    ],
)
def test_an_import_loads_only_what_it_needs(statement: str, light: tuple[str, ...]) -> None:
    done = run(f"{statement}\nimport sys\nprint(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & set(light) == set()


def test_the_error_of_a_failed_import_names_the_missing_module() -> None:
    done = run("from buildkite_orm import Bildkite")
    assert "cannot import name 'Bildkite'" in done.stderr
