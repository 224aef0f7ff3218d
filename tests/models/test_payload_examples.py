"""The documented example responses and data models, compared with what the models load from them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import BaseModel

from buildkite_orm import (
    AccessToken,
    Agent,
    Annotation,
    Artifact,
    Build,
    Job,
    Log,
    ManualJob,
    Meta,
    Model,
    Organization,
    Pipeline,
    Resource,
    ScriptJob,
    TriggerJob,
    User,
    WaiterJob,
)
from tests.documented import FIELDS, PAYLOADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

FOLDERS = (
    "builds",
    "jobs",
    "pipelines",
    "agents",
    "annotations",
    "artifacts",
    "organizations",
    "user",
    "access_token",
    "meta",
)
MODELS: dict[str, type[Resource]] = {
    "builds": Build,
    "jobs": Job,
    "pipelines": Pipeline,
    "agents": Agent,
    "annotations": Annotation,
    "artifacts": Artifact,
    "organizations": Organization,
    "user": User,
    "access_token": AccessToken,
    "meta": Meta,
    "jobs/get-a-job-s-log-output.json": Log,
    "builds/get-a-build-2.json": Job,  # the page shows the trigger job of a build there
}
# Responses that are not an object of their own: plain mappings, links, and operations that are not supported yet.
NOT_OBJECTS = {
    "artifacts/download-an-artifact.json",
    "jobs/create-a-remote-desktop-session.json",
    "jobs/create-an-ssh-session.json",
    "jobs/get-a-job-s-environment-variables.json",
    "pipelines/disable-github-webhook-processing.json",
    "pipelines/enable-github-webhook-processing.json",
    "pipelines/get-github-webhook-processing-state.json",
}
# A time with hour 56, on the page of the user.
MISPRINTED = {"user/get-the-current-user.json": [("created_at", "received as string")]}
DATA_MODELS: dict[str, tuple[type[Model], ...]] = {
    "agents#agent-data-model": (Agent,),
    "annotations#annotation-data-model": (Annotation,),
    "artifacts#artifact-data-model": (Artifact,),
    "builds#build-data-model": (Build,),
    "builds#job-data-model": (ScriptJob, WaiterJob, ManualJob, TriggerJob),
    "pipelines#pipeline-data-model": (Pipeline,),
}


def examples() -> Iterator[str]:
    for folder in FOLDERS:
        for path in sorted((PAYLOADS / folder).glob("*.json")):
            name = f"{folder}/{path.name}"
            if name not in NOT_OBJECTS:
                yield name


def items(name: str) -> list[dict[str, Any]]:
    payload: Any = json.loads((PAYLOADS / name).read_text())
    if isinstance(payload, dict):
        payload = cast("dict[str, Any]", payload).get("items", payload)
    return cast("list[dict[str, Any]]", payload) if isinstance(payload, list) else [payload]


def instant(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def differences(sent: Any, dumped: Any, where: str = "") -> Iterator[str]:
    kinds: set[type[Any]] = {type(sent), type(dumped)}
    if kinds == {dict}:
        yield from (f"{where}.{key} is only in one" for key in sent.keys() ^ dumped.keys())
        for key in sent.keys() & dumped.keys():
            yield from differences(sent[key], dumped[key], f"{where}.{key}")
    elif kinds == {list} and len(sent) == len(dumped):
        for index, (one, other) in enumerate(zip(sent, dumped, strict=True)):
            yield from differences(one, other, f"{where}[{index}]")
    elif len(kinds) > 1 or (sent != dumped and (instant(sent) is None or instant(sent) != instant(dumped))):
        yield f"{where}: {sent!r} became {dumped!r}"


def not_modelled(resource: object, where: str = "") -> Iterator[str]:
    """Yield the keys of a loaded object that no field declares."""
    if isinstance(resource, list):
        for index, item in enumerate(cast("list[object]", resource)):
            yield from not_modelled(item, f"{where}[{index}]")
    elif isinstance(resource, BaseModel):
        yield from (f"{where}.{key}" for key in resource.model_extra or {})
        for key in type(resource).model_fields:
            yield from not_modelled(getattr(resource, key, None), f"{where}.{key}")


def load(bk: Buildkite, server: FakeBuildkite, model: type[Resource], item: dict[str, Any]) -> Resource:
    """Fetch an item over the wire from a server that responds with it."""
    # a response about another build than the one that was requested is refused
    number = int(re.sub(r".*/builds/", "", str(item.get("url"))) if model is Build else 1)
    build = server.add_build("web", number=number) if not server.store.builds else server.store.builds[0]
    job = server.add_job(build)
    org = bk.organization("acme")
    fetchers: dict[type[Resource], Callable[[], Resource]] = {
        Build: lambda: org.pipeline("web").build(build.number).fetch(),
        Job: lambda: org.job(job.id).fetch(),
        Log: lambda: org.job(job.id).log().fetch(),
        Pipeline: lambda: org.pipeline("web").fetch(),
        Agent: lambda: org.agents()[0],
        Annotation: lambda: org.pipeline("web").build(build.number).annotations()[0],
        Artifact: lambda: org.job(job.id).artifacts()[0],
        Organization: org.fetch,
        User: bk.user,
        AccessToken: bk.access_token,
        Meta: bk.meta,
    }
    server.settings.drift = lambda payload: [item] if isinstance(payload, list) else item
    return fetchers[model]()


each_example = pytest.mark.parametrize("name", list(examples()))


def model_of(name: str) -> type[Resource]:
    return MODELS.get(name) or MODELS[name.split("/", maxsplit=1)[0]]


def test_every_model_has_examples() -> None:
    names = list(examples())
    assert {name.split("/")[0] for name in names} == set(FOLDERS)
    assert len(names) >= 30


@each_example
def test_a_documented_example_has_nothing_odd(name: str, bk: Buildkite, server: FakeBuildkite) -> None:
    if name in MISPRINTED:
        with pytest.warns(match="created_at"):
            resource = load(bk, server, model_of(name), items(name)[0])
        assert [(drift.field, drift.problem) for drift in resource.drift] == MISPRINTED[name]
        return
    for item in items(name):
        assert load(bk, server, model_of(name), item).drift == ()


@each_example
@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_a_documented_example_dumps_back_to_itself(name: str, bk: Buildkite, server: FakeBuildkite) -> None:
    for item in items(name):
        dumped = load(bk, server, model_of(name), item).dump()
        assert list(differences(item, dumped)) == []
        assert list(differences(item, json.loads(json.dumps(dumped)))) == []


@each_example
@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_every_key_of_a_documented_example_is_a_field(name: str, bk: Buildkite, server: FakeBuildkite) -> None:
    for item in items(name):
        assert list(not_modelled(load(bk, server, model_of(name), item))) == []


@pytest.mark.parametrize("data_model", DATA_MODELS)
def test_every_field_of_a_documented_data_model_is_one(data_model: str) -> None:
    fields = {field.alias or name for model in DATA_MODELS[data_model] for name, field in model.model_fields.items()}
    assert [name for name in FIELDS[data_model] if name not in fields] == []


def test_a_documented_job_is_of_its_kind(bk: Buildkite, server: FakeBuildkite) -> None:
    kinds = {
        "jobs/get-a-job.json": ScriptJob,
        "jobs/unblock-a-job.json": ManualJob,
        "builds/get-a-build-2.json": TriggerJob,
    }
    for name, kind in kinds.items():
        assert type(load(bk, server, Job, items(name)[0])) is kind


def test_equal_and_different_values_are_distinguished() -> None:
    assert list(differences({"a": "2013-09-03 13:24:38 UTC"}, {"a": "2013-09-03T13:24:38.000Z"})) == []
    assert len(list(differences({"a": 1, "b": [True], "c": None}, {"a": "1", "b": [1]}))) == 3
