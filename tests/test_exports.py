"""The exports of the package: all listed, sorted, typed and documented."""

from __future__ import annotations

import ast
import enum
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

import buildkite_orm
import buildkite_orm.fake
from buildkite_orm import BuildkiteError, QuerySet, Ref, Resource

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = ast.parse(Path(buildkite_orm.__file__).read_text())
CLASSES = [
    exported
    for name in buildkite_orm.__all__
    if inspect.isclass(exported := getattr(buildkite_orm, name)) and name != "AnyRef"
]

# What the design names; it may not go away.
DESIGNED = set(
    """
    Buildkite BuildkiteError ConfigurationError UnboundError MultipleResultsError TransportError ConnectionFailedError
    RequestTimeoutError ResponseError StatusError BadRequestError AuthenticationError PermissionDeniedError
    NotFoundError GoneError UnprocessableEntityError RateLimitError ServerError DownloadError ChecksumMismatchError
    UnsafePathError PartialDownloadError WaitTimeoutError BuildBlockedError RetryPolicy BuildState JobState Build
    BuildRef BuildQuerySet Pipeline PipelineRef PipelineQuerySet Organization OrganizationRef Job JobRef ScriptJob
    WaiterJob ManualJob TriggerJob JobQuerySet Artifact ArtifactRef ArtifactQuerySet Annotation Agent AgentRef User
    AccessToken Meta Log LogRef QuerySet Page
    """.split()  # noqa: SIM905 - a list that is read, not one name a line
)


@pytest.mark.parametrize("module", [buildkite_orm, buildkite_orm.fake], ids=lambda module: module.__name__)
def test_all_is_sorted_and_has_no_name_twice(module: Any) -> None:
    public = [name for name in module.__all__ if not name.startswith("__")]
    assert public == sorted(public)
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("module", [buildkite_orm, buildkite_orm.fake], ids=lambda module: module.__name__)
def test_every_exported_name_exists_and_dir_lists_it(module: Any) -> None:
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert set(module.__all__) <= set(dir(module))


def test_names_in_the_design_are_exported() -> None:
    assert [name for name in DESIGNED if name not in buildkite_orm.__all__] == []


def test_type_checkers_see_exactly_the_exports_and_their_modules() -> None:
    (block,) = [node for node in SOURCE.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(seen) == set(buildkite_orm.__all__) - {"__version__"}
    for name, module in seen.items():
        home = getattr(getattr(buildkite_orm, name), "__module__", module)
        assert home in {module, "types", "typing"}, name


def test_a_name_that_there_is_not_says_so() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Bildkite'"):
        getattr(buildkite_orm, "Bild" + "kite")


def test_the_version_is_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\S*)", buildkite_orm.__version__)


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(buildkite_orm.__file__).parent / "py.typed").exists()


def test_every_queryset_filter_set_and_relation_is_exported_with_its_kind() -> None:
    names = set(buildkite_orm.__all__)
    for exported in CLASSES:
        for base in exported.__mro__[1:]:
            if base.__module__.startswith("buildkite_orm.resources") and base.__name__.endswith("Ref"):
                assert base.__name__ in names or base.__name__ == "Ref", base


# -- docstrings


def own_members(exported: type[Any]) -> Iterator[tuple[str, Any]]:
    for name, member in vars(exported).items():
        if name.startswith("_") or name in {"model_config", "model_post_init"}:
            continue
        if inspect.isfunction(member):
            yield name, member
        elif isinstance(member, classmethod | staticmethod):
            yield name, cast("Any", member).__func__
        elif isinstance(member, property):
            yield name, member.fget


def test_every_exported_class_has_a_docstring_of_its_own() -> None:
    for exported in CLASSES:
        first = (vars(exported).get("__doc__") or "").strip().partition("\n")[0]
        assert first, exported
        assert first[0].isupper() or first[0].isdigit() or first[0] == "`", exported
        assert not first.startswith(f"{exported.__name__}("), f"{exported}: the docstring that dataclasses generate"


def test_every_public_member_has_a_docstring() -> None:
    bare = [
        f"{exported.__name__}.{name}"
        for exported in CLASSES
        if not issubclass(exported, enum.Enum)
        for name, member in own_members(exported)
        if not inspect.getdoc(member)
    ]
    assert bare == []


def unexplained(member: Any) -> list[str]:
    """Return the arguments that a docstring leaves out; its first line may explain a single one."""
    doc = inspect.getdoc(member) or ""
    arguments = [name for name in inspect.signature(member).parameters if name not in {"self", "cls"}]
    if "Args:" in doc:
        return [argument for argument in arguments if f"{argument}:" not in doc.split("Args:")[1]]
    points_on = "rguments as" in doc or "see `" in doc.lower()
    return arguments if len(arguments) > 1 and not points_on else []


def test_every_argument_of_a_verb_or_relation_is_explained() -> None:
    left_out = {
        f"{exported.__name__}.{name}": names
        for exported in CLASSES
        if {Ref, QuerySet} & set(exported.__mro__) and not exported.__module__.startswith("buildkite_orm.models.")
        for name, member in own_members(exported)
        if name not in {"class_for", "listed_as"} and (names := unexplained(member))
    }
    assert left_out == {}


def test_a_resource_names_its_page_of_the_documentation() -> None:
    for exported in CLASSES:
        if issubclass(exported, Resource) and not exported.__module__.startswith("buildkite_orm.models."):
            docs = [vars(base).get("__doc__") or "" for base in exported.__mro__]
            assert any("https://buildkite.com/docs/apis/" in doc for doc in docs), exported


def test_every_error_can_be_made_of_a_message() -> None:
    for exported in CLASSES:
        if issubclass(exported, BuildkiteError):
            assert str(exported("it went wrong")).startswith("it went wrong"), exported
