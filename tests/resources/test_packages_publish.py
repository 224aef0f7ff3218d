"""Publishing files as packages, through the API and through the storage: which requests are sent, and which again."""

from __future__ import annotations

import hashlib
import logging
import os
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest
import requests
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from buildkite_orm import (
    ConnectionFailedError,
    NotFoundError,
    ResponseError,
    RetryPolicy,
    ServerError,
    UnprocessableEntityError,
)
from buildkite_orm.errors import UploadError
from buildkite_orm.files.multipart import File, MultipartForm, send_to_storage
from buildkite_orm.models.parsing import DriftWarning
from buildkite_orm.resources.packages.package import PresignedForm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.faults import RecordedRequest
    from buildkite_orm.resources.packages.package import PackageQuerySet
    from tests.conftest import Costs

PACKAGES = "/v2/packages/organizations/acme/registries/files/packages"
NAME = "app-1.0.0.zip"
CONTENT = b"some content\r\n--not a boundary\r\n" * 5000

Form = dict[str, list[tuple[str | None, bytes]]]
Case = tuple[type[Exception], str, "Callable[[Path], Any]"]


@pytest.fixture
def packages(bk: Buildkite) -> PackageQuerySet:
    """The packages of a registry of files."""
    return packages_of(bk)


def packages_of(bk: Buildkite) -> PackageQuerySet:
    registries = bk.organization("acme").registries()
    if not registries:
        registries.create(name="Files", ecosystem="files")
    return bk.organization("acme").registry("files").packages()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file."""
    path = tmp_path / NAME
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(params=["publish", "publish_presigned"])
def way(request: pytest.FixtureRequest) -> str:
    """Each of the two ways."""
    return str(request.param)


def in_memory(*_: object, **__: object) -> BytesIO:
    return BytesIO()


def form_of(request: RecordedRequest) -> Form:
    """Read a form off the wire: the values of its fields, each with the name of its file, if it has one."""
    kind, options = parse_options_header(request.headers["Content-Type"])
    assert int(request.headers["Content-Length"]) == len(request.body)
    assert "Transfer-Encoding" not in request.headers
    parts: Form = {}
    parser = FormDataParser(in_memory, silent=False)
    _, fields, files = parser.parse(BytesIO(request.body), kind, len(request.body), options)
    for name, value in fields.items(multi=True):
        parts.setdefault(name, []).append((None, value.encode()))
    for name, file in files.items(multi=True):
        parts.setdefault(name, []).append((file.filename, file.stream.read()))
    return parts


# -- through the API


def test_a_file_is_published_by_its_path(
    server: FakeBuildkite, packages: PackageQuerySet, path: Path, costs: Costs
) -> None:
    with costs(1):
        package = packages.publish(path)
    assert server.requests[-1].line == f"POST {PACKAGES}"
    assert form_of(server.requests[-1]) == {"file": [(NAME, CONTENT)]}
    assert package.digests is not None
    assert package.digests.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert package.digests.sha512 == hashlib.sha512(CONTENT).hexdigest()
    assert list(packages) == [package]


def test_an_open_file_is_sent_from_its_current_position(
    server: FakeBuildkite, packages: PackageQuerySet, path: Path
) -> None:
    with path.open("rb") as file:
        file.seek(10)
        packages.publish(file)
        assert file.tell() == len(CONTENT)
        assert not file.closed
    assert form_of(server.requests[-1]) == {"file": [(NAME, CONTENT[10:])]}


@pytest.mark.parametrize("filename", ["other-2.0.0.zip", "folder/other-2.0.0.zip"])
def test_a_file_is_sent_under_another_name(
    server: FakeBuildkite, packages: PackageQuerySet, path: Path, filename: str
) -> None:
    assert packages.publish(str(path), filename=filename).name == "other"
    assert form_of(server.requests[-1]) == {"file": [("other-2.0.0.zip", CONTENT)]}


@pytest.mark.parametrize("name", ['say "hi"-1.0.0.zip', "größe-1.0.0.zip", "a\r\nX: b-1.0.0.zip"])
def test_no_name_breaks_the_form(server: FakeBuildkite, packages: PackageQuerySet, name: str) -> None:
    with pytest.raises(UnprocessableEntityError, match="Invalid filename format"):
        packages.publish(BytesIO(b""), filename=name)
    filename = name.replace("\r", "%0D").replace("\n", "%0A")
    assert form_of(server.requests[-1]) == {"file": [(filename, b"")]}


def test_a_name_that_is_not_text_is_sent_unchanged() -> None:
    form = MultipartForm({}, File(BytesIO(b"x"), os.fsdecode(b"caf\xe9-1.0.0.zip")))
    assert b'filename="caf\xe9-1.0.0.zip"' in b"".join(form)
    assert len(form) == len(b"".join(form))


def test_a_file_that_is_named_wrongly_is_not_published(packages: PackageQuerySet, way: str) -> None:
    with pytest.raises(UnprocessableEntityError, match="BASENAME"):
        getattr(packages, way)(BytesIO(b"x"), filename="app.zip")
    assert list(packages) == []


class Unseekable(BytesIO):
    def seekable(self) -> bool:
        return False


def text(path: Path) -> Any:
    return path.open(encoding="latin-1")


CANNOT_BE_SENT: list[Case] = [
    (FileNotFoundError, "nothing", lambda path: path.parent / "nothing-1.0.0.zip"),
    (IsADirectoryError, "directory", lambda path: path.parent),
    (TypeError, "filename=", lambda _: BytesIO(b"x")),
    (TypeError, "open it for bytes", text),
    (TypeError, "filename=", lambda path: os.fdopen(os.open(path, os.O_RDONLY), "rb")),
    (ValueError, "needs a name", lambda _: ""),
]


@pytest.mark.parametrize("case", CANNOT_BE_SENT, ids=lambda case: case[1])
def test_an_invalid_source_is_refused_without_a_request(
    packages: PackageQuerySet, path: Path, costs: Costs, way: str, case: Case
) -> None:
    error, why, make = case
    source = make(path)
    with costs(0), pytest.raises(error, match=why):
        getattr(packages, way)(source)
    if hasattr(source, "close"):
        source.close()


def test_a_file_that_cannot_be_read_twice_is_not_sent(packages: PackageQuerySet, costs: Costs) -> None:
    with costs(0), pytest.raises(ValueError, match="write it to a file first"):
        packages.publish(Unseekable(b"x"), filename=NAME)


class Shrinking(BytesIO):
    """A file that is cut off once it is measured."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size:
            self.truncate(100_000)
        return super().read(size)


class Failing(BytesIO):
    """A file on a disk that breaks."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size:
            raise OSError(5, "Input/output error")
        return super().read(size)


@pytest.mark.parametrize("http", [False, True])
@pytest.mark.parametrize(("kind", "why"), [(Shrinking, "bytes shorter"), (Failing, "Input/output error")])
def test_a_file_that_breaks_while_it_is_sent_is_not_published(
    server: FakeBuildkite, way: str, kind: type[BytesIO], why: str, *, http: bool
) -> None:
    with server.client(http=http) as bk:
        packages = packages_of(bk)
        with pytest.raises(UploadError, match=why) as caught:
            getattr(packages, way)(kind(CONTENT), filename=NAME)
        assert list(packages) == []
    assert not caught.value.outcome_unknown
    assert "nothing was published" in str(caught.value)


# -- again, and not again


@pytest.mark.parametrize("fault", ["rate_limit", "refuse"])
def test_a_refused_upload_is_sent_again_from_its_beginning(
    server: FakeBuildkite, packages: PackageQuerySet, path: Path, costs: Costs, fault: Any
) -> None:
    server.faults.add(fault, match=f"POST {PACKAGES}$", times=2)
    with costs(3), path.open("rb") as file:
        file.seek(100)
        package = packages.publish(file)
    assert form_of(server.requests[-1]) == form_of(server.requests[-2]) == {"file": [(NAME, CONTENT[100:])]}
    assert list(packages) == [package]


@pytest.mark.parametrize("fault", ["reset_before", "error"])
def test_a_package_that_may_have_been_published_is_not_sent_again(
    server: FakeBuildkite, packages: PackageQuerySet, costs: Costs, way: str, fault: Any
) -> None:
    server.faults.add(fault, match=f"POST {PACKAGES}$", processed=True)
    with (
        costs(1 if way == "publish" else 2, artifacts=int(way == "publish_presigned")),
        pytest.raises((ConnectionFailedError, ServerError)) as caught,
    ):
        getattr(packages, way)(BytesIO(CONTENT), filename=NAME)
    assert caught.value.outcome_unknown
    assert "list https://api.buildkite.com" in str(caught.value)
    assert len(list(packages)) == 1


# -- by way of the storage


def test_a_file_is_published_by_way_of_the_storage(
    server: FakeBuildkite, packages: PackageQuerySet, path: Path, costs: Costs
) -> None:
    with costs(2, artifacts=1):
        package = packages.publish_presigned(path)
    form_request, upload, publication = server.requests[-3:]
    assert (form_request.line, form_request.body, publication.line) == (
        f"POST {PACKAGES}/upload",
        b"",
        f"POST {PACKAGES}",
    )
    form = form_of(upload)
    assert form.pop("file") == [(NAME, CONTENT)]
    assert {"key", "policy", "x-amz-signature"} <= form.keys()
    ((_, key),) = form["key"]
    url = f"https://artifacts.buildkite.fake/{key.decode().replace('${filename}', NAME)}"
    assert form_of(publication) == {"package_url": [(None, url.encode())]}
    assert package.digests is not None
    assert package.digests.sha256 == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("http", [False, True])
def test_the_storage_never_sees_the_token(server: FakeBuildkite, path: Path, *, http: bool) -> None:
    with server.client(http=http) as bk:
        packages_of(bk).publish_presigned(path)
    for request in server.requests:
        assert ("Authorization" in request.headers) == (request.origin == "api")
        if request.origin == "artifacts":
            assert server.token not in f"{request.headers} {request.body!r}"


@pytest.mark.parametrize("name", ["a b-1.0.0+build.5.zip", "app%41-1.0.0.zip"])
def test_the_url_of_an_uploaded_file_is_valid_for_any_name(server: FakeBuildkite, bk: Buildkite, name: str) -> None:
    bk.organization("acme").registries().create(name="Python", ecosystem="python")
    packages = bk.organization("acme").registry("python").packages()
    package = packages.publish_presigned(BytesIO(b"x"), filename=name)
    assert list(packages) == [package]
    ((_, url),) = form_of(server.requests[-2])["package_url"]
    assert b" " not in url


@pytest.mark.parametrize(("fault", "options"), [("reset_before", {"processed": True}), ("error", {"status": 503})])
def test_an_upload_to_the_storage_that_breaks_is_sent_again(
    server: FakeBuildkite, packages: PackageQuerySet, costs: Costs, fault: Any, options: Any
) -> None:
    server.faults.add(fault, origin="artifacts", times=2, **options)
    with costs(2, artifacts=3):
        packages.publish_presigned(BytesIO(CONTENT), filename=NAME)
    brought = [form_of(each) for each in server.requests if each.origin == "artifacts"]
    assert brought[0] == brought[1] == brought[2]
    assert len(list(packages)) == 1


def test_a_storage_that_stays_broken_is_an_error(server: FakeBuildkite, path: Path) -> None:
    server.faults.add("html", status=502, origin="artifacts", times=None)
    with server.client(retry=RetryPolicy(attempts=2)) as bk:
        packages = packages_of(bk)
        with pytest.raises(ServerError) as caught:
            packages.publish_presigned(path)
        assert not caught.value.outcome_unknown
        assert list(packages) == []


def test_a_form_that_has_expired_is_an_error_without_secrets(
    server: FakeBuildkite, packages: PackageQuerySet, path: Path, costs: Costs, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.add("latency", seconds=20, origin="artifacts")
    server.settings.artifact_url_lifetime = 10
    with caplog.at_level(logging.DEBUG), costs(1, artifacts=1), pytest.raises(UploadError, match="403") as caught:
        packages.publish_presigned(path)
    assert (caught.value.status, caught.value.method) == (403, "POST")
    ((_, signature),) = form_of(server.requests[-1])["x-amz-signature"]
    assert signature.decode() not in f"{caught.value!r} {caught.value} {caplog.text}"


@pytest.mark.parametrize(
    "url", ["http://storage.example/", "ftp://127.0.0.1/", "file:///etc/passwd", "https://", "//storage.example"]
)
def test_a_file_goes_nowhere_but_over_https(
    server: FakeBuildkite, packages: PackageQuerySet, path: Path, costs: Costs, url: str
) -> None:
    server.settings.drift = lambda payload: (
        payload | {"form": payload["form"] | {"url": url}} if "form" in payload else payload
    )
    with costs(1), pytest.raises(ResponseError, match="not https"):
        packages.publish_presigned(path)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST\r\nX: y"},
        {"method": "DELETE"},
        {"file_input": "\ud800"},
        {"data": {"key": "\ud800"}},
        {"data": {"key": "x", "\udfff": "x"}},
        {"url": "http://[::1"},
    ],
)
def test_a_form_that_cannot_be_sent_is_an_error_of_the_library(
    bk: Buildkite, path: Path, costs: Costs, change: dict[str, object]
) -> None:
    form = PresignedForm.model_validate({"url": "https://x.example/", "data": {"key": "x"}} | change)
    with costs(0), pytest.raises(ResponseError) as caught:
        send_to_storage(bk.organization("acme").session, form, File(path))
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize("form", [None, {}, {"url": "https://x.example/", "data": {"key": 1}}])
def test_a_response_without_a_form_is_an_error(
    server: FakeBuildkite, packages: PackageQuerySet, path: Path, costs: Costs, form: object
) -> None:
    server.settings.drift = lambda payload: payload | {"form": form} if "form" in payload else payload
    with costs(1), pytest.warns(DriftWarning), pytest.raises(ResponseError, match="no upload form"):
        packages.publish_presigned(path)


def test_a_form_without_a_url_is_an_error(
    server: FakeBuildkite, packages: PackageQuerySet, path: Path, costs: Costs
) -> None:
    server.settings.drift = lambda payload: payload | {"form": {"url": "https://x.example/", "data": {}}}
    with costs(1), pytest.raises(ResponseError, match="no key for the file"):
        packages.publish_presigned(path)


# -- what the fake takes


@pytest.fixture
def http(server: FakeBuildkite) -> Iterator[requests.Session]:
    """A client that is not ours."""
    with requests.Session() as session:
        session.mount("https://", server.adapter())
        session.headers["User-Agent"] = "curl/8"
        yield session


def api(http: requests.Session, server: FakeBuildkite, path: str, **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {server.token}"}
    return http.post(f"https://api.buildkite.com{path}", headers=headers, **options)


def file_named(name: str) -> dict[str, tuple[str, BinaryIO]]:
    return {"file": (name, BytesIO(b"x"))}


@pytest.mark.usefixtures("packages")
def test_the_storage_accepts_only_files_that_the_form_allows(server: FakeBuildkite, http: requests.Session) -> None:
    form = api(http, server, f"{PACKAGES}/upload").json()["form"]
    url, data = form["url"], form["data"]

    def bring(headers: Any = None, files: Any = None, **changes: str) -> tuple[int, str]:
        response = http.post(url, data={**data, **changes}, files=files or file_named(NAME), headers=headers)
        return response.status_code, response.text.partition("<Code>")[2].partition("<")[0]

    assert bring() == (204, "")
    assert bring(headers={"Authorization": f"Bearer {server.token}"}) == (400, "InvalidArgument")
    assert bring(policy=data["policy"][::-1]) == (403, "SignatureDoesNotMatch")
    assert bring(key="elsewhere/${filename}") == (403, "AccessDenied")
    assert bring(files={"other": ("a", BytesIO(b""))}) == (400, "IncorrectNumberOfFilesInPostRequest")
    assert http.put(url, data=b"x").status_code == 405
    assert http.post(url, data=iter([b"x"])).status_code in {403, 411}
    server.clock.advance(100)
    assert bring() == (403, "AccessDenied")


@pytest.mark.usefixtures("packages")
def test_only_a_file_uploaded_for_a_registry_becomes_a_package_of_it(
    server: FakeBuildkite, bk: Buildkite, http: requests.Session
) -> None:
    bk.organization("acme").registries().create(name="Other", ecosystem="files")
    form = api(http, server, f"{PACKAGES}/upload").json()["form"]
    http.post(form["url"], data=form["data"], files=file_named(NAME))
    url = form["url"] + form["data"]["key"].replace("${filename}", NAME)

    def publish(path: str, package_url: str) -> int:
        return api(http, server, path, files={"package_url": (None, package_url)}).status_code

    assert publish(PACKAGES.replace("files", "other"), url) == 422
    assert publish(PACKAGES, url + "x") == 422
    assert publish(PACKAGES, "https://elsewhere.example/app-1.0.0.zip") == 422
    assert publish(PACKAGES, url) == 200
    assert api(http, server, PACKAGES).status_code == 422


def test_a_registry_that_is_not_there_takes_nothing(bk: Buildkite, path: Path, way: str) -> None:
    with pytest.raises(NotFoundError, match="No registry found"):
        getattr(bk.organization("acme").registry("files").packages(), way)(path)
