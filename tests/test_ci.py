"""The pipeline of this project runs the steps of `.ci/run`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_the_pipeline_runs_the_steps_of_the_script() -> None:
    steps = re.findall(r"^steps=\((.+)\)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)[0].split()
    yaml = pytest.importorskip("yaml")
    pipeline = yaml.safe_load((ROOT / ".buildkite/pipeline.yml").read_text())
    assert [step["command"] for step in pipeline["steps"]] == [f".ci/run {step}" for step in steps]


def test_every_step_is_a_script_or_a_command_of_the_readme() -> None:
    steps = re.findall(r"^steps=\((.+)\)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)[0].split()
    scripts = {path.name for path in (ROOT / ".ci").iterdir()}
    assert set(steps) - scripts == {"tests", "quickstart"}
    assert scripts - set(steps) == {"browser", "conformance", "format", "run", "test"}
