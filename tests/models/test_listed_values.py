"""A value that an annotation lists is checked before sending, wherever it is: filters, fields, parameters, mappings."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any, Literal, cast, get_origin, is_typeddict

import pytest

import buildkite_orm
import buildkite_orm.resources
from buildkite_orm import Artifact, ArtifactRef, ConfigurationError
from buildkite_orm.resources.rule import RuleType
from buildkite_orm.resources.teams import TeamRole
from buildkite_orm.utils.choices import choices_of
from tests.helpers import web_build, web_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from buildkite_orm import Buildkite
    from tests.conftest import Costs

BAD: Any = "memebr"
TEAM = {"name": "A", "description": "", "is_default_team": False}

# Calls with a value that does not exist, by the method and the parameter that lists the values.
CALLS: dict[str, Callable[[Buildkite], object]] = {
    "ArtifactRef.download(cache)": lambda bk: artifact(bk).download(cache=BAD),
    "ArtifactRef.open(cache)": lambda bk: artifact(bk).open(cache=BAD),
    "ArtifactRef.save_to(cache)": lambda bk: loaded_artifact(bk).save_to("x", cache=BAD),
    "BuildVerbs.retry_failed_jobs(states)": lambda bk: web_build(bk).retry_failed_jobs(states=["failed", BAD]),
    "BuildVerbs.wait(on_blocked)": lambda bk: web_build(bk).wait(on_blocked=BAD),
    "BuildVerbs.watch(on_blocked)": lambda bk: list(web_build(bk).watch(on_blocked=BAD)),
    "PipelineRef.wait_for(on_blocked)": lambda bk: web_pipeline(bk).wait_for(commit="a" * 40, on_blocked=BAD),
    "LogRef.fetch(cache)": lambda bk: web_build(bk).job("1").log().fetch(cache=BAD),
    "NotificationServiceQuerySet.create(provider)": (
        lambda bk: bk.organization("acme").notification_services().create(provider=BAD)
    ),
    "PipelineSettingsRef.configure_build_export(strategy_id)": (
        lambda bk: bk.organization("acme").pipeline_settings().configure_build_export(location="x", strategy_id=BAD)
    ),
    "RuleQuerySet.create(type)": (
        lambda bk: (
            bk.organization("acme").rules().create(type=BAD, value={"source_pipeline": "a", "target_pipeline": "b"})
        )
    ),
    "TeamMemberQuerySet.create(role)": lambda bk: team(bk).members().create(user_id="1", role=BAD),
    "TeamPipelineQuerySet.create(access_level)": (
        lambda bk: team(bk).pipelines().create(pipeline_id="1", access_level=BAD)
    ),
    "TeamSuiteQuerySet.create(access_level)": (
        lambda bk: team(bk).suites().create(suite_id="1", access_level=["read", BAD])
    ),
    "TeamQuerySet.create(privacy)": (
        lambda bk: bk.organization("acme").teams().create(privacy=BAD, default_member_role="member", **TEAM)  # type: ignore[arg-type]
    ),
    "TeamQuerySet.create(default_member_role)": (
        lambda bk: bk.organization("acme").teams().create(privacy="secret", default_member_role=BAD, **TEAM)  # type: ignore[arg-type]
    ),
}
"""All of them: a new one must be added here."""

days: Any = {"revoke_inactive_tokens_after_days": 31}
OTHERS: dict[str, tuple[Callable[[Buildkite], object], str]] = {
    "a role in a list of mappings": (
        lambda bk: (
            bk.organization("acme").invitations().create(emails=["a@b.example"], teams=[{"id": "1", "role": BAD}])
        ),
        "teams.role='memebr': the values are member, maintainer; did you mean 'member'?",
    ),
    "a number": (
        lambda bk: bk.organization("acme").api_settings().update(**days),
        "revoke_inactive_tokens_after_days=31: the values are 30, 60, 90, 180, 365.",
    ),
}


ARTIFACT = "organizations/acme/pipelines/web/builds/1/jobs/2/artifacts/3"


def artifact(bk: Buildkite) -> ArtifactRef:
    return ArtifactRef.at(bk.session, ARTIFACT)


def loaded_artifact(bk: Buildkite) -> Artifact:
    url = f"https://api.buildkite.com/v2/{ARTIFACT}"
    return bk.bind(Artifact.model_validate({"id": "3", "url": url, "path": "x", "state": "finished"}))


def team(bk: Buildkite) -> Any:
    return bk.organization("acme").team("1")


MODULES = [
    import_module(module.name) for module in walk_packages(buildkite_orm.resources.__path__, "buildkite_orm.resources.")
]
ALIASES = {name for module in MODULES for name, value in vars(module).items() if get_origin(value) is Literal}


def lists_values(annotation: object) -> bool:
    """Whether an annotation lists texts or numbers, in itself or by the name of a type; any other text is refused."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", "")
    words = set(re.findall(r"\w+", text))
    names_some = bool(words & ALIASES) or re.search(r"Literal\[[\"'\d]", text) is not None
    return names_some and not {"str", "int"} & words


def own_classes() -> Iterator[type[Any]]:
    for module in MODULES:
        for kind in vars(module).values():
            if inspect.isclass(kind) and kind.__module__ == module.__name__:
                yield kind


def listed_parameters() -> Iterator[str]:
    """Yield the public methods with parameters whose values are listed."""
    for kind in own_classes():
        for name, member in vars(kind).items():
            if inspect.isfunction(member) and not name.startswith("_"):
                for parameter, annotation in member.__annotations__.items():
                    if parameter != "return" and lists_values(annotation):
                        yield f"{kind.__name__}.{name}({parameter})"


def test_every_parameter_whose_values_are_listed_is_in_this_test() -> None:
    assert sorted(listed_parameters()) == sorted(CALLS)


def test_every_field_whose_values_are_listed_is_checked() -> None:
    """An annotation whose names are imported for type checkers only could not be read."""
    typed = [kind for kind in own_classes() if is_typeddict(kind)]
    listed = {(kind, name) for kind in typed for name, each in kind.__annotations__.items() if lists_values(each)}
    assert len(listed) > 20
    assert [(kind, name) for kind, name in listed if name not in choices_of(cast("Any", kind))] == []


@pytest.mark.parametrize("call", CALLS)
def test_a_parameter_with_another_value_is_refused_before_sending(
    bk: Buildkite, costs: Costs, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with costs(0), pytest.raises((ValueError, ConfigurationError), match=BAD):
        CALLS[call](bk)


@pytest.mark.parametrize("call", OTHERS)
def test_another_value_in_a_mapping_or_of_a_number_is_refused_before_sending(
    bk: Buildkite, costs: Costs, call: str
) -> None:
    send, message = OTHERS[call]
    with costs(0), pytest.raises(ValueError, match=re.escape(message)):
        send(bk)


def test_a_new_value_is_wrapped_to_be_sent(bk: Buildkite, costs: Costs) -> None:
    with costs(2):
        for send in (
            lambda: team(bk).members().create(user_id="1", role=TeamRole("owner")),
            lambda: (
                bk.organization("acme")
                .rules()
                .create(type=RuleType("new"), value={"source_pipeline": "a", "target_pipeline": "b"})
            ),
        ):
            with pytest.raises(buildkite_orm.StatusError):
                send()
