"""The language of the package: docstrings begin as those of other libraries do, and names are standard terms."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import buildkite_orm

PACKAGE = Path(buildkite_orm.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
FIRST_WORDS = frozenset(
    ["Ask", "Give", "Go", "Have", "How", "Keep", "Let", "Say", "See", "Take", "Tell", "What", "Who"]
)
PRIVATE_NAMES = re.compile(
    "(?i:_*(?:vigil|patience|sieve|sifted_?step|glimpse|shelf|underjob|goes_on|said|told|thing)s?)"
)


def test_no_docstring_begins_with_a_word_that_hides_its_verb() -> None:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    odd = [
        f"{file.relative_to(PACKAGE)}: {doc.splitlines()[0]}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, kinds) and (doc := ast.get_docstring(node)) and doc.split()[0] in FIRST_WORDS
    ]
    assert odd == []


def test_names_are_standard_terms() -> None:
    odd = [
        f"{file.relative_to(PACKAGE)}:{token.start[0]}: {token.string}"
        for file in FILES
        for token in tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline)
        if token.type == tokenize.NAME and PRIVATE_NAMES.fullmatch(token.string)
    ]
    assert odd == []
