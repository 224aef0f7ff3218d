"""Write the facts of the documented webhooks that the tests use: names of events, properties, example payloads.

    python tests/data/make_webhook_facts.py ~/docs           write them from a clone of github.com/buildkite/docs
    python tests/data/make_webhook_facts.py ~/docs --check   fail if they differ from it

Only facts are taken. The text of the documentation stays where it is.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

FACTS: Final = Path(__file__).resolve().parent / "webhooks.json"
_FOLDERS: Final = ("pages/apis/webhooks", "pages/pipelines/configure/tests/workflows/actions.md")
_NOT_OUTGOING: Final = "pages/apis/webhooks/incoming/"
_EVENT: Final = re.compile(r"<th><code>([a-z_]+(?:\.[a-z_]+)?)</code></th>")
_PROPERTY: Final = re.compile(r"<t[dh]><code>([a-z_]+)</code></t[dh]>\s*<td>")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_JSON: Final = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)


def git(clone: Path, *arguments: str) -> str:
    """Return the output of git."""
    command = ["git", "-C", str(clone), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def pages(clone: Path) -> Iterator[tuple[str, str]]:
    """Yield the names and the texts of the pages."""
    for path in git(clone, "ls-tree", "-r", "--name-only", "HEAD", *_FOLDERS).split():
        if not path.startswith(_NOT_OUTGOING):
            name = path.removeprefix("pages/").removeprefix("apis/webhooks/").removesuffix(".md")
            yield name.replace("/_", "/").replace("_", "-"), git(clone, "show", f"HEAD:{path}")


def sections(page: str) -> Iterator[tuple[str, str]]:
    """Yield the headings of a page, each with the text below it."""
    parts = _HEADING.split(_JSON.sub(lambda block: block[0].replace("\n#", "\n #"), page))
    yield from zip(["", *parts[1::2]], parts[::2], strict=False)


def example(text: str) -> Any:
    """Parse an example; one has an opening and a closing brace too many."""
    try:
        return json.loads(text)
    except ValueError:
        text = re.sub(r"\{\s*\{", "{", text, count=1)
    for place in reversed([brace.start() for brace in re.finditer("}", text)]):
        try:
            return json.loads(text[:place] + text[place + 1 :])
        except ValueError:
            continue
    raise ValueError(text)


def facts(clone: Path) -> str:
    """Return the text of the file."""
    events: dict[str, list[str]] = {}
    properties: dict[str, list[str]] = {}
    examples: list[dict[str, Any]] = []
    for name, page in pages(clone):
        if found := [event for event in _EVENT.findall(page) if "." in event or event == "ping"]:
            events[name] = found
        for heading, text in sections(page):
            place = f"{name}#{re.sub('[^a-z0-9]+', '-', heading.lower()).strip('-')}"
            if found := [each for each in _PROPERTY.findall(text) if each not in events.get(name, ())]:
                properties[place] = found
            examples += [{"place": place, "payload": example(block)} for block in _JSON.findall(text)]
    return json.dumps({"events": events, "properties": properties, "examples": examples}, indent=1) + "\n"


def main() -> int:
    """Write the file, or return whether it is stale."""
    wanted = facts(Path(sys.argv[1]))
    if "--check" in sys.argv[2:]:
        is_stale = not FACTS.exists() or FACTS.read_text(encoding="utf-8") != wanted
        sys.stderr.write("stale: tests/data/webhooks.json\n" * is_stale)
        return int(is_stale)
    FACTS.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
