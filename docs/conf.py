"""Configuration of Sphinx: run `.ci/docs`, or `sphinx-build -W -n -b html docs docs/_build`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from buildkite_orm import __version__
from docs.docstrings import hide_signature, render_docstring, resolve_short_name, restore_colons, skip_member

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "buildkite_orm"
author = "the authors of buildkite_orm"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["copy.js"]
html_title = f"{project} {version}"
html_copy_source = False
html_show_copyright = False
toc_object_entries_show_parents = "hide"
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # no page of this project begins below its title level

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
default_role = "literal"
napoleon_numpy_docstring = False
napoleon_use_rtype = False

# Names of the standard library and of other packages: the site is built without a network and has no external links.
_OTHERS = "builtins collections core_schema datetime enum io os pathlib pydantic re requests ssl tenacity types typing"
_SHORT_NAMES = (
    "BaseAdapter BufferedReader CacheMode Figure FinishedAt GetCoreSchemaHandler",
    "Path PreparedRequest Response timedelta",
)
nitpick_ignore_regex = [
    (r"py:.*", rf"({_OTHERS.replace(' ', '|')})\b.*"),
    (r"py:class", rf"({' '.join(_SHORT_NAMES).replace(' ', '|')})"),
    (r"py:class", r"(buildkite_orm\.[\w.]+\.)?[BJRT]"),  # type variables
]


def setup(app: Sphinx) -> None:
    """Connect the hooks."""
    app.connect("autodoc-skip-member", skip_member)
    app.connect("autodoc-process-docstring", render_docstring, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", restore_colons, priority=600)
    app.connect("autodoc-process-signature", hide_signature)
    app.connect("missing-reference", resolve_short_name)
