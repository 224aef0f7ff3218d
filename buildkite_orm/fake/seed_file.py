"""The initial contents of a fake Buildkite, in a file of JSON or YAML."""

from __future__ import annotations

import json
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from buildkite_orm.fake.control import actions
from buildkite_orm.fake.control.bodies import (
    NewAgent,
    NewBuild,
    NewFault,
    NewOrganization,
    NewOutcome,
    NewPipeline,
    NewUser,
    SettingsChange,
)
from buildkite_orm.fake.control.validation import Body, InvalidFieldsError, read

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from buildkite_orm.fake.records import OrganizationRecord
    from buildkite_orm.fake.server import FakeBuildkite

LARGEST = 32 << 20


class SeedFileError(ValueError):
    """A seed file that cannot be read or is invalid; the message names the file and the key."""


class SeedPipeline(NewPipeline):
    """A pipeline with its builds."""

    builds: list[NewBuild] = Field([], description="in their order")


class SeedOrganization(NewOrganization):
    """An organization; for `acme`, which exists, additional users, agents and pipelines."""

    users: list[NewUser] = Field([], description="members")
    agents: list[NewAgent] = Field([], description="agents")
    pipelines: list[SeedPipeline] = Field([], description="pipelines")


class Seed(Body):
    """A seed file's content."""

    settings: SettingsChange | None = None
    organizations: Annotated[list[SeedOrganization], Field(max_length=1000)] = Field([], description="organizations")
    faults: list[NewFault] = Field([], description="faults")
    outcomes: list[NewOutcome] = Field([], description="what jobs do")


def load_seed_file(path: str | Path) -> Callable[[FakeBuildkite], None]:
    """Read and validate a seed file; return a function for `FakeBuildkite(setup=…)`.

    Args:
        path: A file of JSON, or, if its name ends in `.yaml` or `.yml`, of YAML, which needs PyYAML.

    Raises:
        SeedFileError: It cannot be read, or is invalid.
    """
    file = Path(path)
    try:
        seed = read(Seed, _parse(file))
    except InvalidFieldsError as error:
        raise SeedFileError(f"{file}: {error}") from None

    def setup(server: FakeBuildkite) -> None:
        try:
            _apply(server, seed)
        except InvalidFieldsError as error:
            raise SeedFileError(f"{file}: {error}") from None

    return setup


def _parse(file: Path) -> Any:
    try:
        if file.stat().st_size > LARGEST:
            raise SeedFileError(f"{file}: larger than {LARGEST >> 20} MB")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SeedFileError(f"{file}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise SeedFileError(f"{file}: no UTF-8 at byte {error.start}") from None
    if file.suffix.lower() in {".yaml", ".yml"}:
        return _parse_yaml(file, text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SeedFileError(f"{file}: no JSON: {error}") from None


def _parse_yaml(file: Path, text: str) -> Any:
    try:
        yaml = import_module("yaml")
    except ModuleNotFoundError:
        raise SeedFileError(
            f"{file}: YAML needs PyYAML: pip install 'buildkite_orm[fake]', or write the file as JSON"
        ) from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise SeedFileError(f"{file}: no YAML: {error}") from None


def _apply(server: FakeBuildkite, seed: Seed) -> None:
    if seed.settings is not None:
        actions.change_settings(server, seed.settings)
    for place, organization in enumerate(seed.organizations):
        with _inside(f"organizations[{place}]"):
            _add_organization(server, organization)
    for outcome in seed.outcomes:
        actions.set_outcome(server, outcome)
    for place, fault in enumerate(seed.faults):
        with _inside(f"faults[{place}]"):
            actions.add_fault(server, fault)


def _add_organization(server: FakeBuildkite, seed: SeedOrganization) -> None:
    organization = server.store.organizations.get(seed.slug)
    if organization is None:
        organization = server.add_organization(seed.slug, name=seed.name)
    elif seed.name is not None:
        organization.name = seed.name
    for user in seed.users:
        server.add_user(user.name, user.email, organization=seed.slug)
    for agent in seed.agents:
        actions.add_agent(server, organization, agent)
    for place, pipeline in enumerate(seed.pipelines):
        with _inside(f"pipelines[{place}]"):
            _add_pipeline(server, organization, pipeline)


def _add_pipeline(server: FakeBuildkite, organization: OrganizationRecord, seed: SeedPipeline) -> None:
    pipeline = actions.add_pipeline(server, organization, seed)
    for place, build in enumerate(seed.builds):
        with _inside(f"builds[{place}]"):
            actions.add_build(server, pipeline, build)


@contextmanager
def _inside(place: str) -> Generator[None]:
    """Prefix the fields of errors in the block with their place."""
    try:
        yield
    except InvalidFieldsError as error:
        raise InvalidFieldsError([{**each, "field": f"{place}.{each['field']}"} for each in error.errors]) from None
