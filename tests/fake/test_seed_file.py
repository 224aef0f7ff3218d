"""Seed files: JSON or YAML with what a fake has at start, and errors that name the key."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.fake import FakeBuildkite, seed_file
from buildkite_orm.fake.seed_file import SeedFileError, load_seed_file

if TYPE_CHECKING:
    from pathlib import Path

YAML = """\
settings:
  user_limit: 1000
organizations:
  - slug: acme
    name: Acme GmbH
    users:
      - {name: Grace Hopper, email: grace@acme.example}
    agents:
      - {name: mac-1, queue: macos, os_id: darwin}
    pipelines:
      - slug: app
        steps:
          - {label: Test, command: make test, duration: 30, artifacts: [{path: a.txt, text: abc}]}
          - {type: wait, continue_on_failure: true}
          - {type: block, label: "Ship?", fields: [{text: Name, key: name}]}
          - {type: trigger, pipeline: docs, async: true}
        builds:
          - state: failed
            branch: main
            created_at: 2026-08-01T09:00:00Z
            creator: grace@acme.example
            jobs:
              - {label: Test, state: failed, exit_status: 1, log: "boom\\n"}
          - {state: running, jobs: 2}
  - slug: umbrella
faults:
  - {kind: html, times: 1, match: nothing}
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def check(server: FakeBuildkite) -> None:
    acme = server.store.organizations["acme"]
    assert (acme.name, [user.name for user in acme.users]) == ("Acme GmbH", ["Ada Lovelace", "Grace Hopper"])
    first, second = acme.pipelines["app"].builds
    assert (first.state, first.created_at, first.creator) == ("failed", server.clock.now() - 3 * 3600, acme.users[1])
    assert (first.jobs[0].name, first.jobs[0].log) == ("Test", b"boom\n")
    assert (second.state, len(second.jobs)) == ("running", 2)
    assert [type(step).__name__ for step in acme.pipelines["app"].plan] == [
        "CommandStep",
        "WaitStep",
        "BlockStep",
        "TriggerStep",
    ]
    assert (server.settings.user_limit, len(server.faults.rules)) == (1000, 1)
    assert set(server.store.organizations) == {"acme", "umbrella"}


def test_a_seed_file_of_yaml_is_loaded_at_start_and_after_a_reset(tmp_path: Path) -> None:
    path = write(tmp_path, "world.yaml", YAML)
    with FakeBuildkite(populate=False, setup=load_seed_file(path)) as server:
        check(server)
        server.reset()
        check(server)


def test_a_file_of_json_has_the_same_format(tmp_path: Path) -> None:
    yaml: Any = importlib.import_module("yaml")
    path = write(tmp_path, "world.json", json.dumps(yaml.safe_load(YAML), default=lambda time: time.isoformat()))
    check(FakeBuildkite(populate=False, setup=load_seed_file(path)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("organizations: [{slug: acme, piplines: []}]", r"organizations\[0\]\.piplines: unknown field 'piplines'"),
        ("organizations: [{slug: x, pipelines: [{slug: a, builds: [{state: no}]}]}]", r"\[0\]\.builds\[0\]\.state: "),
        (
            "organizations: [{slug: x, pipelines: [{slug: a, builds: [{jobs: [{state: bogus}]}]}]}]",
            r"organizations\[0\]\.pipelines\[0\]\.builds\[0\]\.jobs\[0\]\.state: not allowed 'bogus'; choose from",
        ),
        ("organizations: [{slug: acme, users: 3}]", r"organizations\[0\]\.users: must be a valid list"),
        ("settings: {user_limit: many}", r"settings\.user_limit: must be a valid integer"),
        ("faults: [{kind: html}, {kind: bogus}]", r"faults\[1\]\.kind: must be 'refuse'"),
        ("1: 2", r"1: unknown field '1'; choose from settings, organizations, faults"),
        (
            "organizations: [{slug: x, pipelines: [{slug: a, builds: [{created_at: 12}]}]}]",
            r"created_at: must be a time from 1970",
        ),
        ("- a", r"\(top level\): must be an object"),
        ("", r"\(top level\): must be an object"),
        ("a: [", r"no YAML: "),
        ("organizations: !!python/object:os.system []", r"no YAML: could not determine a constructor"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, "world.yaml", text)
    with pytest.raises(SeedFileError, match=rf"world\.yaml: .*{message}"):
        load_seed_file(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{slug: x, pipelines: [{slug: a}, {slug: a}]}",
            r"organizations\[0\]\.pipelines\[1\]\.slug: the pipeline 'a' exists in x",
        ),
        (
            "{slug: x, pipelines: [{slug: a, builds: [{number: 3}, {number: 3}]}]}",
            r"organizations\[0\]\.pipelines\[0\]\.builds\[1\]\.number: the build 3 exists in a",
        ),
        (
            "{slug: x, pipelines: [{slug: a, builds: [{creator: unknown}]}]}",
            r"organizations\[0\]\.pipelines\[0\]\.builds\[0\]\.creator: no user of x",
        ),
    ],
)
def test_contradictory_fields_are_named_too(tmp_path: Path, text: str, message: str) -> None:
    setup = load_seed_file(write(tmp_path, "world.yaml", f"organizations: [{text}]"))
    with pytest.raises(SeedFileError, match=message):
        FakeBuildkite(populate=False, setup=setup)


def test_a_fault_that_takes_other_options_is_named(tmp_path: Path) -> None:
    setup = load_seed_file(write(tmp_path, "world.yaml", "faults: [{kind: dns, status: 500}]"))
    with pytest.raises(SeedFileError, match=r"faults\[0\]\.kind: the fault dns has no option status"):
        FakeBuildkite(populate=False, setup=setup)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SeedFileError, match=r"none\.yaml: No such file"):
        load_seed_file(tmp_path / "none.yaml")
    with pytest.raises(SeedFileError, match=r"bad\.json: no JSON"):
        load_seed_file(write(tmp_path, "bad.json", "{"))
    (tmp_path / "latin.json").write_bytes(b"\xff{}")
    with pytest.raises(SeedFileError, match=r"latin\.json: no UTF-8 at byte 0"):
        load_seed_file(tmp_path / "latin.json")
    monkeypatch.setattr(seed_file, "LARGEST", 3)
    with pytest.raises(SeedFileError, match=r"large\.json: larger than"):
        load_seed_file(write(tmp_path, "large.json", "{   }"))


def test_without_pyyaml_a_file_of_yaml_causes_an_error_that_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(seed_file, "import_module", missing)
    with pytest.raises(SeedFileError, match=r"YAML needs PyYAML: pip install 'buildkite_orm\[fake\]'"):
        load_seed_file(write(tmp_path, "world.yml", "{}"))
    load_seed_file(write(tmp_path, "world.json", "{}"))


@pytest.mark.parametrize("time", ["2026-08-01T11:00:00+02:00", "2026-08-01 09:00:00", "2026-08-01T09:00:00.000Z"])
def test_times_of_yaml_are_utc_unless_they_have_an_offset(tmp_path: Path, time: str) -> None:
    builds = f"[{{created_at: {time}}}, {{created_at: 2026-08-01}}]"
    text = f"organizations: [{{slug: x, pipelines: [{{slug: a, builds: {builds}}}]}}]"
    server = FakeBuildkite(populate=False, setup=load_seed_file(write(tmp_path, "world.yaml", text)))
    midnight, nine = (build.created_at for build in server.store.builds)
    assert nine - midnight == 9 * 3600
