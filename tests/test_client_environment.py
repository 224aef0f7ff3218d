"""Settings as people paste them: stripped in the same way for all, or refused by the variable's name."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import buildkite_orm
from buildkite_orm import Buildkite, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.fake import FakeBuildkite

PACKAGE = Path(buildkite_orm.__file__).parent
TOKEN = "bkua_0123456789abcdef0123456789abcdef01234567"
SETTINGS = {
    "BUILDKITE_API_TOKEN": TOKEN,
    "BUILDKITE_ORGANIZATION_SLUG": "acme",
    "BUILDKITE_REST_API_ENDPOINT": "https://proxy.example/buildkite",
    "BUILDKITE_PIPELINE_SLUG": "web",
    "BUILDKITE_BUILD_NUMBER": "42",
    "BUILDKITE_JOB_ID": "0190f1a2-0000-7000-8000-000000000001",
}
AROUND: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "newline": lambda text: f"{text}\n",
    "carriage return": lambda text: f"{text}\r\n",
    "blanks": lambda text: f" \t{text}  ",
    "double quotes": lambda text: f'"{text}"',
    "single quotes": lambda text: f"'{text}'",
    "typographic quotes": lambda text: f"\u201c{text}\u201d",
    "quotes, and a newline": lambda text: f'"{text}"\n',
    "quotes with blanks within": lambda text: f"' {text} '",
    "one quote": lambda text: f'"{text}',
    "byte order mark": lambda text: f"\ufeff{text}",
    "byte order mark that was not decoded": lambda text: f"\udcef\udcbb\udcbf{text}",
    "no-break space": lambda text: f"\xa0{text}\xa0",
    "zero-width space": lambda text: f"{text}\u200b",
}


def set_all(monkeypatch: pytest.MonkeyPatch, around: Callable[[str], str] = str, **changed: str) -> None:
    for name, value in (SETTINGS | changed).items():
        monkeypatch.setenv(name, around(value))


@pytest.mark.parametrize("around", AROUND)
def test_all_settings_from_the_environment_are_stripped_the_same_way(
    monkeypatch: pytest.MonkeyPatch, around: str
) -> None:
    set_all(monkeypatch, AROUND[around])
    with Buildkite() as bk:
        assert bk.session.base_url == "https://proxy.example/buildkite"
        assert bk.organization().api_path == "organizations/acme"
        assert bk.current_build().api_path == "organizations/acme/pipelines/web/builds/42"
        assert bk.current_job().api_path.endswith(f"/builds/42/jobs/{SETTINGS['BUILDKITE_JOB_ID']}")


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("given", [True, False])
def test_a_token_is_stripped_the_same_way_from_every_source(
    server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch, around: str, *, given: bool
) -> None:
    token = AROUND[around](server.token)
    if not given:
        monkeypatch.setenv("BUILDKITE_API_TOKEN", token)
    with Buildkite(token if given else None, base_url=f" {server.url}\n") as bk:
        assert bk.user().name
    assert server.requests[-1].headers["Authorization"] == f"Bearer {server.token}"


@pytest.mark.parametrize("empty", ["", " \n", '""', "''", "\ufeff"])
def test_a_variable_with_nothing_in_it_is_not_set(monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    for name in SETTINGS:
        monkeypatch.setenv(name, empty)
    with pytest.raises(ConfigurationError, match=r"no token: pass .* or set BUILDKITE_API_TOKEN"):
        Buildkite()
    with Buildkite(TOKEN) as bk:
        assert bk.session.base_url == "https://api.buildkite.com"
        with pytest.raises(ConfigurationError, match="or set BUILDKITE_ORGANIZATION_SLUG"):
            bk.organization()
        with pytest.raises(ConfigurationError, match="BUILDKITE_ORGANIZATION_SLUG is not set"):
            bk.current_build()


@pytest.mark.parametrize("token", ["", "  \n", '""'])
def test_an_empty_token_argument_is_refused_for_any_environment(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("BUILDKITE_API_TOKEN", TOKEN)
    with pytest.raises(ConfigurationError, match="token= is empty"):
        Buildkite(token)


@pytest.mark.parametrize("token", [5, b"bkua_0123456789", ["bkua_0123456789"], True])
def test_a_token_of_another_kind_is_refused_and_not_shown(token: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"token= is a string, not a \w+$") as caught:
        Buildkite(token)
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize(
    "value", [f"Bearer {TOKEN}", f"{TOKEN} # mine", f"{TOKEN}\n{TOKEN}", f"{TOKEN}ö", f"a\x01{TOKEN}"]
)
@pytest.mark.parametrize("given", [True, False])
def test_a_token_that_cannot_be_one_is_refused_by_name_and_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch, value: str, *, given: bool
) -> None:
    if not given:
        monkeypatch.setenv("BUILDKITE_API_TOKEN", value)
    name = "token=" if given else "BUILDKITE_API_TOKEN"
    with pytest.raises(ConfigurationError, match=f"^{name}: .*characters that no token has") as caught:
        Buildkite(value if given else None)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    library = [frame for frame in frames.stack if Path(frame.filename).is_relative_to(PACKAGE)]
    assert library
    assert TOKEN not in str(caught.value) + "".join(str(frame.locals) for frame in library)


@pytest.mark.parametrize(
    "url",
    [
        "nowhere",
        "https://",
        "ftp://api.example",
        "https://me:secret@api.example",
        "http://api.example",
        "https://x?y=z",
    ],
)
def test_an_endpoint_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    set_all(monkeypatch, BUILDKITE_REST_API_ENDPOINT=url)
    with pytest.raises(ConfigurationError, match=r"^BUILDKITE_REST_API_ENDPOINT") as caught:
        Buildkite()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - {"BUILDKITE_API_TOKEN", "BUILDKITE_REST_API_ENDPOINT"}))
@pytest.mark.parametrize("value", ["two words", "a\nb", "a/b", "https://buildkite.com/acme", "a\x01b"])
def test_a_slug_or_id_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    set_all(monkeypatch)
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name}="):
        Buildkite(TOKEN).current_job()


@pytest.mark.parametrize("number", ["²", "٣", "-1", "1.5", "forty-two", "9" * 5000])
def test_a_build_number_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    set_all(monkeypatch, BUILDKITE_BUILD_NUMBER=number)
    with pytest.raises(ConfigurationError, match=r"^BUILDKITE_BUILD_NUMBER=.*not a build number"):
        Buildkite().current_build()
