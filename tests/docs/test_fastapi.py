"""The service of docs/asyncio.md, run by FastAPI on the fake."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.page import NAMED, ROOT, blocks

if TYPE_CHECKING:
    from pathlib import Path

    from buildkite_orm.fake import FakeBuildkite


def test_the_service_reads_builds_and_waits_for_them(
    acme: FakeBuildkite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    testclient: Any = pytest.importorskip("fastapi.testclient", reason="install the extra check")
    page = (ROOT / "docs" / "asyncio.md").read_text(encoding="utf-8")
    (block,) = [block for block in blocks(page) if NAMED.match(block.text)]
    (tmp_path / "service.py").write_text(block.text, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("BUILDKITE_API_TOKEN", acme.token)
    monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", acme.url)
    with testclient.TestClient(import_module("service").app) as client:
        assert client.get("/builds/42").json() == {"state": "passed"}
        assert client.get("/builds/9999").json() == {"detail": "no build 9999"}
        assert client.post("/builds/119/wait").json() == {"state": "failed"}
