"""Write the facts that the tests use from the documented API: operations, fields of the data models, example payloads.

    python tests/data/make_facts.py           write them from ../shared/contract, next to the checkout
    python tests/data/make_facts.py --check   fail if they differ from it

Only facts are taken: methods, paths, scopes, parameters, statuses and the examples' JSON. The text of the documentation
stays where it is.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).resolve().parent
CONTRACT: Final = DATA.parents[2] / "shared" / "contract"


def slug(title: str) -> str:
    """Return a heading as its anchor."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower().replace("'", "")).strip("-")


def operation(documented: dict[str, Any]) -> dict[str, Any]:
    """Return what the tests use of an operation."""
    page = str(documented["page"] or "").removeprefix("pages/apis/rest_api/").removesuffix(".md")
    return {
        "id": documented["id"],
        "page": page.replace("_", "-"),
        "heading": slug(documented["title"]),
        "method": documented["method"],
        "paths": documented["paths"],
        "scopes": sorted({scope for each in documented["scope"] for scope in each.split(", ")}),
        "status": documented["success"],
        "pagination": documented["pagination"],
        "query": documented["query"],
        "body": {field["name"]: "required" if field["required"] else "optional" for field in documented["body"]},
        "errors": sorted({error["status"] for error in documented["errors"]}),
        "examples": [name.removeprefix("payloads/") for name in documented["examples"]],
    }


def facts() -> dict[str, str]:
    """Return the text of each file, by its path below `tests/data`."""
    documented = json.loads((CONTRACT / "operations.json").read_text(encoding="utf-8"))
    lines = ",\n".join(json.dumps(operation(each), ensure_ascii=False) for each in documented)
    fields = json.loads((CONTRACT / "fields.json").read_text(encoding="utf-8"))
    files = {"operations.json": f"[\n{lines}\n]\n", "fields.json": text(fields)}
    for path in sorted((CONTRACT / "payloads").rglob("*.json")):
        files[path.relative_to(CONTRACT).as_posix()] = text(json.loads(path.read_text(encoding="utf-8")))
    return files


def present() -> dict[str, Path]:
    """Return the files that this script has written; other files of `tests/data` have other sources."""
    files = [DATA / "operations.json", DATA / "fields.json", *(DATA / "payloads").rglob("*.json")]
    return {path.relative_to(DATA).as_posix(): path for path in files if path.exists()}


def text(value: Any) -> str:
    """Return a value as the JSON that is written."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the files, or return whether they are stale."""
    wanted, found = facts(), present()
    if "--check" in sys.argv[1:]:
        stale = sorted(
            name
            for name in wanted.keys() | found.keys()
            if name not in wanted or name not in found or found[name].read_text(encoding="utf-8") != wanted[name]
        )
        sys.stderr.write("".join(f"stale: tests/data/{name}: run python tests/data/make_facts.py\n" for name in stale))
        return int(bool(stale))
    for name in found.keys() - wanted.keys():
        found[name].unlink()
    for name, content in wanted.items():
        (DATA / name).parent.mkdir(parents=True, exist_ok=True)
        (DATA / name).write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
