"""Text of any length from the server costs time in proportion to its length: sizes are compared within one run."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import Build
from buildkite_orm.http.links import read_links
from buildkite_orm.http.messages import path_of, query_of
from buildkite_orm.models.paths import path_from_url, short_path
from buildkite_orm.models.urls import api_path_in
from buildkite_orm.querysets.globs import Globs
from buildkite_orm.testing.placeholders import matches
from buildkite_orm.testing.redaction import Redactor
from buildkite_orm.utils.numbers import parse_decimal
from buildkite_orm.utils.redaction import redact_url
from buildkite_orm.utils.text import escape_control, format_value, one_line, with_emoji

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "https://api.buildkite.com"
TEXTS: dict[str, Callable[[int], str]] = {
    "one long segment": lambda size: f"{HOST}/v2/{'a' * size}!",
    "many segments": lambda size: f"{HOST}/v2/{'a/' * (size // 2)}!",
    "many versions": lambda size: f"{HOST}{'/v2' * (size // 3)}!",
    "many versions and slashes": lambda size: f"{HOST}/v2/{'/v2/' * (size // 4)}!",
    "a long host": lambda size: f"https://{'a.:-' * (size // 4)}!",
    "encoded": lambda size: f"{HOST}/v2/{'%41' * (size // 3)}",
    "percent signs": lambda size: f"{HOST}/v2/{'%' * size}",
    "a long query": lambda size: f"{HOST}/v2/x?{'a=%41&' * (size // 6)}",
    "letters": lambda size: "a" * size,
    "colons": lambda size: ":a" * (size // 2),
    "blanks": lambda size: " \n" * (size // 2) + "x",
    "joined emoji": lambda size: "\u2764\ufe0f\u200d" * (size // 3),
    "joiners": lambda size: "\u200d" * size,
    "flags that do not end": lambda size: "\U0001f3f4\U000e0061" * (size // 2),
    "a flag that does not end": lambda size: "\U0001f3f4" + "\U000e0061" * size,
    "escapes": lambda size: "\x1b[" * (size // 2),
    "halves of characters": lambda size: "\ud83d" * size,
    "digits": lambda size: "9" * size,
    "brackets": lambda size: "[1" * (size // 2),
    "links without an end": lambda size: "<" * size,
    "a link of semicolons": lambda size: "<x>" + "; " * (size // 2),
    "a link of blanks": lambda size: "<x>;" + " " * size,
    "mailboxes without an end": lambda size: "@ " + "a." * (size // 2),
    "dots of a domain": lambda size: "a@" + "b." * (size // 2) + "1",
    "a signature of blanks": lambda size: "Author: x" + " " * size + "@",
    "signatures": lambda size: "a-by: " * (size // 6) + "<a@",
    "web tokens without an end": lambda size: "eyJ" * (size // 3),
    "web tokens with dashes": lambda size: "eyJ-" * (size // 4) + ".",
    "signed queries without a value": lambda size: "https://x/?" + "&signature" * (size // 10),
    "passwords without an end": lambda size: "://a:" * (size // 5) + "@",
    "relations without an end": lambda size: "<x>" + '; rel="' * (size // 7),
}
READERS: dict[str, Callable[[str], object]] = {
    "path_from_url": path_from_url,
    "path_of": path_of,
    "query_of": query_of,
    "short_path": short_path,
    "redact_url": redact_url,
    "api_path_in": api_path_in,
    "escape_control": escape_control,
    "one_line": lambda text: one_line(text, 60),
    "format_value": format_value,
    "with_emoji": with_emoji,
    "parse_decimal": parse_decimal,
    "read_links": read_links,
    "redacted": lambda text: Redactor().text(text),
    "as_recorded": lambda text: matches("redacted-env-1a" * 8, text),
    "as_recorded_so_often": lambda text: matches("redacted-env-1" + text + "[hidden]", text),
    "matches": Globs(("**/*.x", "a*b*c*d*/**/?[ab]*")).matcher() or str,
}
PATTERNS: dict[str, Callable[[int], str]] = {
    "commas in a brace": lambda size: "{" + "," * size,
    "braces": lambda size: "{" * size,
    "a star at the end": lambda size: "a" * size + "*",
}


def seconds(read: Callable[[str], object], text: str) -> float:
    """Return the least CPU time of three tries."""
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        with suppress(ValueError):
            read(text)
        best = min(best, time.process_time() - begun)
    return best


def assert_linear(read: Callable[[str], object], make: Callable[[int], str]) -> None:
    """Twice the exponent would be sixteen times the time; what costs next to nothing is not measured."""
    size = 4_000
    long = seconds(read, make(4 * size))
    assert long < 0.003 or long < 9 * seconds(read, make(size)) or long < 9 * seconds(read, make(size))


@pytest.mark.parametrize("reader", READERS)
def test_text_of_the_server_costs_time_in_proportion_to_its_length(reader: str) -> None:
    for make in TEXTS.values():
        assert_linear(READERS[reader], make)


def test_patterns_cost_time_in_proportion_to_their_length() -> None:
    for make in PATTERNS.values():
        assert_linear(lambda pattern: (Globs((pattern, "x")).for_server, Globs((pattern, "x")).matcher()), make)


def test_the_hash_of_an_object_with_a_long_url_costs_time_in_proportion_to_its_length() -> None:
    def hashed(url: str) -> object:
        known: dict[str, Any] = {"id": "x", "url": url, "number": 1, "state": "passed", "commit": "HEAD"}
        return hash(Build.model_construct(**known))

    for make in TEXTS.values():
        assert_linear(hashed, make)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (f"{HOST}/v2/organizations/acme", "organizations/acme"),
        (f"{HOST}/v2/organizations/v2/x", "organizations/v2/x"),
        ("http://127.0.0.1:8080/a/proxy/v2/user", "user"),
        (f"{HOST}/v2/a/v2/b", "a/v2/b"),
        (f"{HOST}/v2/a/", "a"),
        (f"{HOST}/v2/", None),
        (f"{HOST}/v2", None),
        (f"{HOST}/v2/a//b", None),
        (f"{HOST}/v1/a", None),
        (f"{HOST}/v2/a%2Fb", "a%2Fb"),
        (f"{HOST}/v2/..", None),
        ("no url", None),
        (None, None),
    ],
)
def test_the_path_of_a_url_is_the_part_after_the_version(url: object, path: str | None) -> None:
    assert path_from_url(url) == path
