"""Write the facts that the tests use from the documentation of pipelines: the keys of steps, variables, limits.

    python tests/data/make_pipeline_facts.py DOCS           write them from a checkout of the documentation
    python tests/data/make_pipeline_facts.py DOCS --check   fail if they differ from it

Only names are taken: the text of the documentation stays where it is.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).resolve().parent / "pipelines.json"
CONFIGURE: Final = "pages/pipelines/configure"
STEPS: Final = ("command", "wait", "block", "input", "trigger", "group")
ROW: Final = re.compile(r"<td>\s*<code>(?:<a [^>]*>)?([^<]+)(?:</a>)?</code>\s*</td>(.*?)(?:</tr>|</table>)", re.DOTALL)
ALIASES: Final = re.compile(r"<em>Alias(?:es)?:</em>((?:,?\s*<code>\w+</code>)+)")
REASON: Final = re.compile(r'<li><code>"?([a-z_*]+)"?</code> —')
VARIABLE: Final = re.compile(r"<td><code>((?:build|pipeline|organization)\.[a-z_.]+)</code></td>")
CODE: Final = re.compile(r"<code>([^<]+)</code>")


def sections(text: str) -> dict[str, str]:
    """Return the text below each heading; a heading that occurs again has the texts of all."""
    found: dict[str, str] = {}
    for each in re.split(r"^#+ ", text, flags=re.MULTILINE):
        heading, _, body = each.partition("\n")
        found[heading] = found.get(heading, "") + body
    return found


def rows(text: str) -> dict[str, list[str]]:
    """Return the keys in the tables of a text, each with its aliases."""
    return {
        found[1]: [name for aliases in ALIASES.findall(found[2]) for name in CODE.findall(aliases)]
        for found in ROW.finditer(text)
    }


class Documentation:
    """The pages of a checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def page(self, path: str) -> str:
        """Return the text of a page."""
        return (self.folder / CONFIGURE / path).read_text(encoding="utf-8")

    def step(self, kind: str) -> dict[str, list[str]]:
        """Return the keys of a kind of step, without those of values inside it."""
        text = self.page(f"step_types/{kind}_step.md")
        parts = sections(text)
        own = parts.get(f"{kind.title()} step attributes") or text  # the page of wait steps has no such heading
        keys = rows(own.partition("Optional `build` attributes")[0])
        keys |= rows(parts.get("Container image attributes", ""))
        if "if_changed_attribute" in text:
            keys |= rows(self.page("step_types/_if_changed_attribute.md"))
        return {**keys, **({kind: []} if kind not in keys else {})}

    def facts(self) -> dict[str, Any]:
        """Return all facts."""
        trigger = sections(self.page("step_types/trigger_step.md"))["Trigger step attributes"]
        block = sections(self.page("step_types/block_step.md"))
        retry, conditionals = sections(self.page("retry.md")), self.page("conditionals.md")
        return {
            "pipeline": self.pipeline(),
            "steps": {kind: self.step(kind) for kind in STEPS},
            "build": sorted(rows(trigger.partition("Optional `build` attributes")[2])),
            "fields": {
                "text": sorted(rows(block["Text field attributes"])),
                "select": sorted(rows(block["Select field attributes"]).keys() - {"label", "value"}),
                "options": sorted(rows(block["Select field attributes"]).keys() & {"label", "value"}),
            },
            "retry": {
                "automatic": sorted(rows(retry["Automatic retry attributes"])),
                "manual": sorted(rows(retry["Manual retry attributes"])),
                "signal_reasons": REASON.findall(retry["Automatic retry attributes"]),
            },
            "matrix": sorted(rows(sections(self.page("step_types/command_step.md"))["Matrix attributes"])),
            "conditionals": {
                "variables": sorted(set(VARIABLE.findall(conditionals))),
                "env": re.findall(r"<code>(BUILDKITE_[A-Z_]+)</code><br>", conditionals),
            },
            "environment": self.environment(),
        }

    def pipeline(self) -> list[str]:
        """Return the keys of the top level."""
        upload = (self.folder / "pages/agent/cli/reference/pipeline.md").read_text(encoding="utf-8")
        keys = re.findall(r"^\* The `(\w+)` attribute", upload, re.MULTILINE)
        return sorted(
            {*keys, *re.findall(r"`(\w+)` key can be set as a top-level", self.page("workflows/job_priority.md"))}
        )

    def environment(self) -> list[str]:
        """Return the names of the variables of jobs."""
        text = (self.folder / "data/content/environment_variables.yaml").read_text(encoding="utf-8")
        return re.findall(r"^  - name: (\S+)$", text, re.MULTILINE)


def main() -> int:
    """Write the file, or return whether it is stale."""
    arguments = [each for each in sys.argv[1:] if not each.startswith("--")]
    if len(arguments) != 1:
        sys.stderr.write(f"{__doc__}")
        return 2
    wanted = json.dumps(Documentation(Path(arguments[0])).facts(), indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        return int(FILE.read_text(encoding="utf-8") != wanted)
    FILE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
