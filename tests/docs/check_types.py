"""Check the types of the Python code in README and docs with mypy and pyright, both strict: `.ci/docs-types`.

All blocks of a page form one module, in which `bk` is a `Buildkite`; a block with `# name.py` on top is a module of its
own. Each line has the number that it has in the page, so that errors name the line to edit.
"""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.docs.page import NAMED, PAGES, ROOT, Block, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

_UNTYPED: Final = frozenset({"pybuildkite"})  # code that uses these is not checked
_UNTYPED_CALLS: Final = {"pa.table(": "pyarrow has no types", ".from_arrow(": "pandas-stubs lacks from_arrow"}
HEADER: Final = "from buildkite_orm import Buildkite; bk = Buildkite('token')"
_REJECTED: Final = re.compile(r"^(?:AttributeError|TypeError|ValueError: \w+=)", re.MULTILINE)
_IMPORT: Final = re.compile(r"^(?:from|import) (\w+)", re.MULTILINE)
_PYRIGHT: Final = {
    "typeCheckingMode": "strict",
    "pythonVersion": "3.11",
    "extraPaths": [str(ROOT)],
    "reportMissingTypeStubs": False,
    "reportPrivateUsage": False,  # a page calls the method that IPython calls
    "reportUnusedExpression": False,  # examples with a prompt show the value of an expression
}


@dataclass(slots=True)
class Modules:
    """The modules of a page, as lines by name, and why a block is not checked, by its line."""

    lines: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    skipped: dict[int, str] = field(default_factory=dict[int, str])


def modules(name: str, page: str) -> Modules:
    """Return the modules of a page.

    Args:
        name: The name of the module of all blocks without a name.
        page: The text of the page.
    """
    found, unchecked = Modules(), set(_UNTYPED)
    for block in blocks(page):
        if block.language != "python":
            continue
        first = page.count("\n", 0, block.start)
        named = NAMED.match(block.text)
        module = named[1].removesuffix(".py") if named else name
        if reason := _reason_to_skip(block.text, unchecked):
            unchecked |= {module} - {name}
            found.skipped[first + 1] = reason
            continue
        lines = found.lines.setdefault(module, [] if named else [HEADER])
        for number, text in _code(block):
            lines.extend([""] * (first + number - len(lines)))
            lines.append(text)
    return found


def _reason_to_skip(text: str, unchecked: AbstractSet[str]) -> str | None:
    for name in _IMPORT.findall(text):
        if name in unchecked:
            return f"{name} has no types"
        if find_spec(name) is None and not any(f"# {name}.py\n" in page.read_text("utf-8") for page in PAGES):
            return f"{name} is not installed"
    return next((reason for call, reason in _UNTYPED_CALLS.items() if call in text), None)


def _code(block: Block) -> Iterator[tuple[int, str]]:
    """Yield the lines of a block that are code, with their number; calls that are shown to be rejected are left out."""
    if not block.text.startswith(">>> "):
        yield from enumerate(block.text.splitlines())
        return
    for example in doctest.DocTestParser().get_examples(block.text):
        if not _REJECTED.search(example.exc_msg or ""):
            yield from enumerate(example.source.splitlines(), example.lineno)


def check(pages: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Check pages.

    Args:
        pages: The text of each page by its path.

    Returns:
        The errors, and why blocks are not checked, by page and line.
    """
    sources: dict[str, str] = {}
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path, page in pages.items():
            found = modules(re.sub(r"\W", "_", path), page)
            skipped |= {f"{path}:{line}": reason for line, reason in found.skipped.items()}
            for name, lines in found.lines.items():
                if name in sources:
                    raise ValueError(f"{name}.py is in {sources[name]} and {path}: choose another name for one of them")
                sources[name] = path
                (Path(folder) / f"{name}.py").write_text("\n".join([*lines, ""]), "utf-8")
        output = _mypy(folder, sources) + _pyright(folder)
    errors = [re.sub(r"^.*?(\w+)\.py:", lambda found: f"{sources[found[1]]}:", line) for line in output]
    return errors, skipped


def _mypy(folder: str, names: dict[str, str]) -> list[str]:
    """Run mypy as a user of the library would: without the configuration of this project."""
    options = "--strict --config-file= --python-version=3.11 --allow-redefinition --follow-imports=silent --no-pretty"
    cache = f"--cache-dir={ROOT / '.mypy_cache' / 'pages'}"
    files = [f"{folder}/{name}.py" for name in names]
    command = [sys.executable, "-m", "mypy", *options.split(), "--no-error-summary", cache, *files]
    environment = {"MYPYPATH": f"{ROOT}:{folder}"}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    return (done.stdout + done.stderr).splitlines()


def _pyright(folder: str) -> list[str]:
    Path(folder, "pyrightconfig.json").write_text(json.dumps(_PYRIGHT), "utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--project", folder]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode == 0:
        return []
    return [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.startswith(" ")]


def main() -> int:
    """Print the errors; return 1 if there are any."""
    errors, skipped = check({page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in PAGES})
    for place, reason in skipped.items():
        print(f"{place}: not checked, {reason}")  # noqa: T201
    print(*errors or ["no errors in the code of the pages"], sep="\n")  # noqa: T201
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
