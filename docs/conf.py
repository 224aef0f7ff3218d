"""How the documentation is built: `.ci/docs`, or `sphinx-build -W -n -b html docs docs/_build`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from buildkite_orm import __version__
from docs.docstrings import signature_shown, skipped, tidied, where_it_is, with_colons

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "buildkite_orm"
author = "the authors of buildkite_orm"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
html_show_copyright = False
toc_object_entries_show_parents = "hide"
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a page that begins deeper than its title is none of ours

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
default_role = "literal"
napoleon_numpy_docstring = False
napoleon_use_rtype = False

# What the standard library and other packages have: this site is built without a network, and links into itself only.
_OTHERS = "builtins collections core_schema datetime enum io os pathlib pydantic re requests ssl tenacity types typing"
_IN_SHORT = "BaseAdapter BufferedReader Figure GetCoreSchemaHandler Path timedelta"
nitpick_ignore_regex = [
    (r"py:.*", rf"({_OTHERS.replace(' ', '|')})\b.*"),
    (r"py:class", rf"({_IN_SHORT.replace(' ', '|')})"),
    (r"py:class", r"(buildkite_orm\.queryset\.)?R"),  # a type variable
]


def setup(app: Sphinx) -> None:
    """Have docstrings tidied up, and names found."""
    app.connect("autodoc-skip-member", skipped)
    app.connect("autodoc-process-docstring", tidied, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", with_colons, priority=600)
    app.connect("autodoc-process-signature", signature_shown)
    app.connect("missing-reference", where_it_is)
