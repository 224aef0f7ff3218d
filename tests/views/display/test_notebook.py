"""A real notebook, run by a real kernel against a fake Buildkite: what its cells show, and what that costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.views.display.pages import Page, elements
from tests.views.display.test_listings import OWN

if TYPE_CHECKING:
    from collections.abc import Callable

    Shown = Callable[[str], dict[str, str]]

nbformat = pytest.importorskip("nbformat", reason="install the extra check")
ROOT: Final = Path(__file__).parents[3]
RUN: Final = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, kernel_name="this", timeout=120).execute()
nbformat.write(notebook, sys.argv[1])
"""
START: Final = """
from buildkite_orm import Buildkite
from buildkite_orm.fake import FakeBuildkite
server = FakeBuildkite().__enter__()
bk = Buildkite(server.token, base_url=server.url, organization="acme")
web = bk.organization().pipeline("web")
def cost(since=[0]):
    since[0], asked = len(server.requests), len(server.requests) - since[0]
    return asked
"""
CELLS: Final = {
    "table": "builds = web.builds()\nbuilds",
    "cost of the table": "cost()",
    "table again": "builds",
    "list of listings": "[builds, builds.fresh()]",
    "printed": "print(web.builds(), builds[4])",
    "cost of all that": "cost()",
    "card": "builds[4]",
    "ref": "web",
    "page": "bk.organization().pipelines().per_page(3).page(2)",
    "cost of the page": "cost()",
    "failure": "bk.organization().pipeline('no-such').builds()",
    "jobs": "build = web.build(119).fetch()\nbuild.jobs()",
    "cost of the jobs": "cost()",
    "summary": "build.failure_summary(lines=3)",
    "failed jobs": "build.failed_jobs()",
    "log": "build.failed_jobs()[0].log().fetch()",
    "agent": "build.failed_jobs()[0].agent",
    "evil": "server.add_build('web', message='<script>alert(1)</script>\\x1b[31m\\u202e')\nweb.builds()",
    "timeline": "build.timeline()",
    "history": "web.history(days=7, progress=False)",
    "progress": "len(web.builds(created_from=builds[99].created_at).per_page(50).all())",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The outputs of the notebook's cells, by the names of the cells."""
    folder = tmp_path_factory.mktemp("notebook")
    kernel = folder / "jupyter/kernels/this"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "this", "language": "python"}))
    notebook: Any = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code) for code in (START, *CELLS.values())]
    )
    file = folder / "notebook.ipynb"
    nbformat.write(notebook, str(file))
    own = {name: str(folder) for name in ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    subprocess.run(
        [sys.executable, "-c", RUN, str(file)],
        env={**os.environ, **own, "JUPYTER_PATH": str(folder / "jupyter"), "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        timeout=180,
    )
    executed = json.loads(file.read_text())
    return dict(zip(CELLS, (cell["outputs"] for cell in executed["cells"][1:]), strict=True))


@pytest.fixture
def shown(outputs: dict[str, list[Any]]) -> Shown:
    """Gives what the only output of a cell has, by its kind."""

    def read(name: str) -> dict[str, str]:
        (output,) = outputs[name]
        data = output.get("data") or {"text/plain": output["text"]}
        return {kind: "".join(lines) for kind, lines in data.items()}

    return read


def test_a_listing_is_a_table(shown: Shown) -> None:
    table = shown("table")
    assert table.keys() == {"text/plain", "text/html"}
    page = Page(table["text/html"])
    assert page.heads == ["build", "state", "branch", "message", "by", "created", "waited", "took"]
    assert len(page.rows) == 20
    assert page.rows[0][:2] == ["web #123", "canceling"]
    assert table["text/plain"].splitlines()[-1] == "… 20 of 100 loaded, more follow"
    assert "\x1b" not in table["text/plain"]


def test_it_costs_one_request_once(shown: Shown) -> None:
    assert shown("cost of the table")["text/plain"] == "1"
    assert shown("table again") == shown("table")
    assert shown("cost of all that")["text/plain"] == "0"


def test_other_values_are_shown_by_repr(shown: Shown) -> None:
    listed = shown("list of listings")
    assert listed.keys() == {"text/plain"}
    assert listed["text/plain"].split(",\n ") == [
        "[<BuildQuerySet acme/web/builds [100+ loaded]>",
        "<BuildQuerySet acme/web/builds [not loaded]>]",
    ]
    assert shown("printed")["text/plain"] == (
        '<BuildQuerySet acme/web/builds [not loaded]> Build(acme/web #119 failed on main, 26m 33s, "Größere Knöpfe")\n'
    )
    assert shown("ref") == {"text/plain": "PipelineRef(acme/web)"}


def test_an_object_is_a_card(shown: Shown) -> None:
    card = shown("card")
    assert card["text/plain"] == 'Build(acme/web #119 failed on main, 26m 33s, "Größere Knöpfe")'
    page = Page(card["text/html"])
    assert ["web #119"] in page.rows
    assert page.all("a")[0]["href"] == "https://buildkite.com/acme/web/builds/119"


def test_a_page_is_a_table(shown: Shown) -> None:
    assert [row[0] for row in Page(shown("page")["text/html"]).rows] == ["Docs", "Deploy", "Infra"]
    assert shown("cost of the page")["text/plain"] == "1"


def test_a_failure_is_shown_as_one_line_without_traceback(shown: Shown, outputs: dict[str, list[Any]]) -> None:
    text = shown("failure")["text/plain"]
    assert text.startswith("<BuildQuerySet acme/no-such/builds [not loaded]>\nNotFoundError: ")
    assert len(text.splitlines()) == 2
    assert {each["output_type"] for each in outputs["failure"]} == {"execute_result"}


def test_embedded_jobs_cost_no_request(shown: Shown) -> None:
    assert len(Page(shown("jobs")["text/html"]).rows) > 5
    assert shown("cost of the jobs")["text/plain"] == "2"  # the listing that failed, and the build


def test_a_failure_summary_is_shown_in_full(shown: Shown) -> None:
    summary = shown("summary")
    assert summary["text/plain"].splitlines()[-1] == "  | 🚨 Error: The command exited with status 1"
    assert "The command exited with status 1" in Page(summary["text/html"]).text


def test_failed_jobs_are_a_table(shown: Shown) -> None:
    assert [row[0] for row in Page(shown("failed jobs")["text/html"]).rows] == [":rspec: RSpec 2/3"]
    assert shown("failed jobs")["text/plain"].startswith("Failed jobs of acme/web #119\n")


def test_a_log_is_a_card_with_its_last_lines(shown: Shown) -> None:
    (text,) = (element.text for element in Page(shown("log")["text/html"]).all("pre"))
    assert "The command exited with status 1" in text


def test_an_agent_is_one_line(shown: Shown) -> None:
    assert shown("agent")["text/plain"].startswith("EmbeddedAgent(")
    assert len(shown("agent")["text/plain"].splitlines()) == 1


def test_text_from_the_server_is_escaped(shown: Shown) -> None:
    html = shown("evil")["text/html"]
    assert elements(html) <= OWN
    assert Page(html).rows[0][3] == "<script>alert(1)</script>\\x1b[31m\\u202e"


def test_long_operations_show_their_progress(outputs: dict[str, list[Any]]) -> None:
    *streams, result = outputs["progress"]
    assert " loaded\r" in "".join("".join(stream["text"]) for stream in streams)
    assert result["data"]["text/plain"] == ["101"]


@pytest.mark.parametrize(("name", "drawn"), [("timeline", "bk-timeline"), ("history", "bk-history")])
def test_timelines_and_histories_are_drawn(shown: Shown, name: str, drawn: str) -> None:
    assert shown(name)["text/html"].startswith("<div><svg ")
    assert f'class="{drawn}"' in shown(name)["text/html"]
    assert shown(name)["text/plain"].startswith("acme/web")
