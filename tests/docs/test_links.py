"""The links of the README and the pages lead to existing files and headings of the repository."""

from __future__ import annotations

import re

import pytest

from buildkite_orm import __version__
from tests.docs.page import PAGES, ROOT, prose

LINKS = [
    (page.relative_to(ROOT).as_posix(), link)
    for page in PAGES
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text(encoding="utf-8")))
    if not link.startswith("https://")
]


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_the_target_of_a_link_exists(page: str, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    assert target.exists()
    if anchor:
        assert anchor in anchors(target.read_text(encoding="utf-8"))


def test_every_page_is_in_the_table_of_contents() -> None:
    lines = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").splitlines()
    index = [line.rpartition("<")[2].rstrip(">") for line in lines]
    pages = {page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in PAGES if page.parent != ROOT}
    references = {f"reference/{page.stem}" for page in (ROOT / "docs" / "reference").glob("*.rst")}
    globbed = {"performance", "reliability"} if "[pr]e[rl]*" in index else set[str]()
    assert (pages | references) - {"index"} - globbed - set(index) == set()


def test_the_readme_links_every_page() -> None:
    linked = {link.removeprefix("docs/").removesuffix(".md") for page, link in LINKS if page == "README.md"}
    pages = {page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in PAGES if page.parent != ROOT}
    assert pages - linked == set()


def test_the_readme_names_the_version() -> None:
    assert f"- **Version**: {__version__}" in (ROOT / "README.md").read_text(encoding="utf-8")
