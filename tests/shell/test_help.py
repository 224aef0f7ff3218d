"""The pages of help: one for anything public, which names the filters and nothing of pydantic's."""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil
import pydoc
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast, is_typeddict

import pytest

import buildkite_orm
import buildkite_orm.models.enums
import buildkite_orm.resources.builds
from buildkite_orm import Build, BuildFilters, BuildState, OrganizationRef, PipelineChanges, QuerySet, Ref, Resource
from buildkite_orm.shell.annotations import filters_type, typed_dict_fields
from buildkite_orm.shell.help import Help, help_page
from buildkite_orm.utils.introspection import members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

_NOISE = ("__pydantic", "pydantic", "model_fields", "parse_obj", "Unpack[", "ForwardRef", " at 0x")


def modules() -> Iterator[Any]:
    resources = buildkite_orm.resources
    yield buildkite_orm
    for found in pkgutil.walk_packages(resources.__path__, f"{resources.__name__}."):
        yield importlib.import_module(found.name)


def public() -> dict[str, Any]:
    """Return the public names of the package and of its areas."""
    found = {
        name: getattr(buildkite_orm, name) for name in buildkite_orm.__all__ if name not in {"__version__", "AnyRef"}
    }
    for module in modules():
        names = cast("dict[str, Any]", vars(module))
        found |= {
            name: obj
            for name, obj in names.items()
            if not name.startswith("_") and getattr(obj, "__module__", None) == module.__name__
        }
    return found


PUBLIC = public()
CLASSES: dict[str, Any] = {name: obj for name, obj in PUBLIC.items() if inspect.isclass(obj)}
VERBS = {
    f"{name}.{verb}": function
    for name, kind in CLASSES.items()
    if {Ref, QuerySet} & set(kind.__mro__)
    for verb in members(kind)
    if inspect.isfunction(function := inspect.getattr_static(kind, verb, None))
}


def test_there_is_much_to_explain() -> None:
    assert len(CLASSES) > 150
    assert len(VERBS) > 500


def test_everything_public_has_a_page() -> None:
    for name, obj in PUBLIC.items():
        if inspect.isroutine(obj) or inspect.isclass(obj):
            text = help_page(obj) or ""
            title, _, rest = text.partition("\n\n")
            assert name in title
            assert rest, name
            assert not rest.startswith(("Data:", "Relations")), f"{name} says nothing of itself"
            assert [word for word in _NOISE if word in text] == [], name
            assert max(map(len, text.splitlines())) < 150, name


def test_every_verb_and_relation_has_a_page_that_names_its_filters() -> None:
    for name, function in VERBS.items():
        text = help_page(function)
        assert text is not None, name
        kind = filters_type(function)
        for key in typed_dict_fields(kind):
            assert f"{key}=…" in text, name
            assert f"\n    {key}: " in text, name
        assert kind is None or f"    {kind.__name__}" not in text, name


def rendered(obj: object) -> str:
    text: str = cast("Any", pydoc).render_doc(obj, renderer=cast("Any", pydoc).plaintext)
    return text


@pytest.mark.parametrize("module", [buildkite_orm, buildkite_orm.resources.builds, buildkite_orm.models.enums])
def test_python_s_own_help_renders_modules(module: Any) -> None:
    assert (inspect.getdoc(module) or "").partition("\n")[0] in rendered(module)


def test_pythons_own_help_renders_the_exports() -> None:
    for name in set(buildkite_orm.__all__) & PUBLIC.keys():
        text = rendered(PUBLIC[name])
        first = (PUBLIC[name].__doc__ or "").partition("\n")[0]
        assert first, name
        assert first in text, name


def test_every_filter_is_explained() -> None:
    for name, kind in CLASSES.items():
        if is_typeddict(kind) and name.endswith("Filters"):
            explained = {
                line.partition(":")[0]
                for line, after in pairwise((help_page(kind) or "").split("\n"))
                if after[:4] == "    "
            }
            assert typed_dict_fields(kind).keys() - explained == set(), name


def test_the_page_of_a_listing_describes_each_filter() -> None:
    text = help_page(OrganizationRef.builds) or ""
    assert text.startswith("OrganizationRef.builds(*, state=…, branch=…, commit=…,")
    assert "-> BuildQuerySet" in " ".join(text.split())
    assert "    branch: str, or several\n        One branch or several; `*` stands for anything.\n" in text
    assert "BuildState | 'creating', 'scheduled'," in text
    assert "Documentation: https://buildkite.com/docs/apis/rest-api/builds" in text


def test_the_page_of_a_class_describes_fields_and_methods() -> None:
    text = help_page(Build) or ""
    assert (
        "    embedded_pipeline: EmbeddedPipeline | None\n        The data of its pipeline; `pipeline` is the ref.\n"
        in text
    )
    assert "    cancel() -> Build\n        Cancel the build;" in text
    assert "    duration -> timedelta | None\n        The time from its start" in text
    signature = "jobs(*, kind=None, state=…, include_retried_jobs=…, step_key=…, group_key=…) -> JobQuerySet[Any]"
    assert signature in " ".join(text.split())


def test_the_page_of_filters_includes_inherited_descriptions() -> None:
    assert "\nallow_rebuilds: bool\n    Whether its builds can be built again.\n" in (help_page(PipelineChanges) or "")
    assert "\ncreated_to: datetime\n    Created before this time.\n" in (help_page(BuildFilters) or "")


def test_the_page_of_an_enum_has_its_values() -> None:
    assert "\nNOT_RUN = 'not_run'\n" in (help_page(BuildState) or "")


def test_the_page_of_an_object_begins_with_the_object(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        org = bk.organization("acme")
        build = org.pipeline("web").builds()[0]
        before = len(acme.requests)
        assert (help_page(build) or "").startswith(f"{build!r}\n\nBuild, in ")
        assert (help_page(org) or "").startswith("OrganizationRef(acme)\n\nOrganizationRef, in ")
        assert (help_page(org.builds()) or "").startswith(
            "<BuildQuerySet acme/builds [not loaded]>\n\nBuildQuerySet, in "
        )
        assert (help_page(org.builds) or "").startswith("OrganizationRef.builds(")
        assert (help_page(Build.duration) or "").startswith("Build.duration(")
        assert len(acme.requests) == before


@pytest.mark.parametrize("obj", [1, "text", int, len, enum.Enum, buildkite_orm, [], None])
def test_other_objects_have_the_help_page_of_python(obj: object) -> None:
    assert help_page(obj) is None


def test_help_shows_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(pydoc, "pager", shown.append)

    def usual(*objects: object) -> None:
        shown.append(objects)

    monkeypatch.setattr(pydoc, "help", usual)
    help_ = Help()
    help_(OrganizationRef.builds)
    help_(len)
    help_()
    assert shown == [help_page(OrganizationRef.builds), (len,), ()]
    assert "help(x)" in repr(help_)


# -- dir


def public_names(obj: object) -> set[str]:
    return {name for name in dir(obj) if not name.startswith("_")}


def test_an_object_offers_its_fields_relations_and_verbs(bk: Buildkite, server: FakeBuildkite) -> None:
    server.add_build("web", number=1, jobs=1)
    build = bk.organization("acme").pipeline("web").builds()[0]
    names = [name for name in dir(build) if not name.startswith("_")]
    assert set(names) >= {"number", "state", "jobs", "pipeline", "cancel", "reload", "duration", "dump", "fetch"}
    assert {"copy", "json", "dict", "model_dump", "bind", "at", "class_for", "identity"} & set(names) == set()
    assert set(dir(build)) >= {"__class__", "__dict__", "_kind"}
    assert len(names) == len(set(names))


def test_refs_querysets_and_embedded_objects_leave_out_their_machinery(bk: Buildkite, server: FakeBuildkite) -> None:
    server.add_build("web", number=1, jobs=1)
    pipeline = bk.organization("acme").pipeline("web")
    assert {"at", "bind", "rebind"} & set(dir(pipeline)) == set()
    assert {"builds", "fetch", "wait_for", "api_path"} <= set(dir(pipeline))
    assert {"model", "filters", "lists", "by_number"} & set(dir(pipeline.builds())) == set()
    assert {"filter", "first", "count", "create"} <= set(dir(pipeline.builds()))
    provider = pipeline.fetch().provider
    assert {"id", "webhook_url"} <= set(dir(provider))
    assert "model_fields" not in dir(provider)


def test_a_field_that_is_not_known_yet_is_offered(bk: Buildkite, server: FakeBuildkite) -> None:
    server.add_build("web", number=1)
    server.settings.drift = lambda payload: [{**each, "mood": "sunny"} for each in payload]
    build = bk.organization("acme").pipeline("web").builds()[0]
    assert "mood" in dir(build)
    assert "mood" not in dir(Build)


def test_dir_works_on_incomplete_objects() -> None:
    assert "number" in dir(Build.__new__(Build))
    assert "number" in dir(cast("Any", Build).model_construct())


def test_names_of_dir_exist(bk: Buildkite, server: FakeBuildkite, costs: Costs) -> None:
    server.add_build("web", number=1, jobs=1)
    build = bk.organization("acme").pipeline("web").builds(with_jobs=True)[0]
    with costs(0):
        for obj in (build, build.pipeline, *build.jobs()):
            data = obj.dump() if isinstance(obj, Resource) else {}
            absent = {name for name in getattr(type(obj), "model_fields", {}) if name not in data}
            assert [name for name in public_names(obj) - absent if not hasattr(obj, name)] == []
