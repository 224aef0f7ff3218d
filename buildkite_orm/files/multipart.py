"""Uploads: multipart forms that are read while they are sent, and never held in memory.

requests would build such a form in memory. The library that streams one, requests-toolbelt, is hardly maintained, and
its forms can be read only once; here, a form is read again for each attempt.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote

from buildkite_orm.errors import ResponseError, UploadError
from buildkite_orm.http.messages import StreamedBody, is_html
from buildkite_orm.http.storage_errors import storage_error
from buildkite_orm.http.stream import CHUNK
from buildkite_orm.utils.plain_values import as_path
from buildkite_orm.utils.redaction import redact_url

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from buildkite_orm.http.session import Session
    from buildkite_orm.resources.packages.package import PresignedForm

Source = str | os.PathLike[str] | BinaryIO

_METHODS: Final = ("POST", "PUT")
_UNTOUCHED: Final = "/$&+,:;=@!*'()"
_ESCAPED: Final = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


class File:
    """A file to send: a path, or an open file from its current position to its end.

    Args:
        source: A path, or a file that is open for reading bytes.
        name: The name to send; that of the file by default.

    Raises:
        OSError: The file does not exist, or cannot be read.
        TypeError: The file returns text, or has no name.
        ValueError: The file is not seekable, or its name is empty.
    """

    def __init__(self, source: Source, name: str | None = None) -> None:
        self._source = source
        self.name = PurePath(_name_of(source) if name is None else as_path("filename", name)).name
        if not self.name:
            raise ValueError("a file to be sent needs a name: filename=…")
        with self._opened() as file:
            if not file.seekable():
                raise ValueError(f"{self.name!r} has no size and cannot be read again; write it to a file first")
            if not isinstance(file.read(0), bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"{self.name!r} returns text; open it for bytes: open(path, 'rb')")
            self._start = file.tell()
            self.size = file.seek(0, io.SEEK_END) - self._start
            file.seek(self._start)

    def __iter__(self) -> Iterator[bytes]:
        left = self.size
        try:
            with self._opened() as file:
                file.seek(self._start)
                while left and (chunk := file.read(min(CHUNK, left))):
                    left -= len(chunk)
                    yield chunk
        except (OSError, ValueError) as problem:  # ValueError: it was closed
            raise UploadError(f"cannot read {self.name!r}: {problem}; nothing was published") from problem
        if left:
            raise UploadError(f"{self.name!r} has become {left} bytes shorter; nothing was published")

    @contextlib.contextmanager
    def _opened(self) -> Generator[BinaryIO]:
        if isinstance(self._source, str | os.PathLike):
            with open(self._source, "rb") as file:  # noqa: PTH123 - a path of any kind
                yield file
        else:
            yield self._source


class MultipartForm(StreamedBody):
    """A form: fields, followed by a file.

    Args:
        fields: The fields.
        file: The file, if there is one.
        file_field: The name of its field.
    """

    def __init__(self, fields: Mapping[str, str], file: File | None = None, *, file_field: str = "file") -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        parts = [f"{_opening(boundary, name)}\r\n\r\n{value}\r\n" for name, value in fields.items()]
        if file is not None:
            named = f'; filename="{file.name.translate(_ESCAPED)}"\r\nContent-Type: application/octet-stream\r\n\r\n'
            parts.append(_opening(boundary, file_field) + named)
        self._head = "".join(parts).encode("utf-8", "surrogateescape")  # a name may not be valid UTF-8
        self._file = file
        self._tail = (b"" if file is None else b"\r\n") + f"--{boundary}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._head) + (0 if self._file is None else self._file.size) + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        if self._file is not None:
            yield from self._file
        yield self._tail


def send_to_storage(session: Session, form: PresignedForm, file: File) -> str:
    """Send a file to the storage of packages, and return its URL there.

    It is sent again if the connection or the storage fails: this publishes nothing, and a second copy replaces the
    first.

    Args:
        session: The session; its token is not sent.
        form: The fields and the URL from the API.
        file: The file.

    Raises:
        UploadError: The storage does not accept the file.
        ResponseError: The form is not usable.
    """
    key = form.data.get("key")
    if key is None:
        raise ResponseError("the upload form has no key for the file")
    if form.method.upper() not in _METHODS:
        raise ResponseError(f"the upload form requires the method {form.method[:20]!r}, not {_METHODS[0]}")
    if not _is_text([form.file_input, *form.data, *form.data.values()]):
        raise ResponseError("the upload form has half a character, which cannot be sent")
    body = MultipartForm(form.data, file, file_field=form.file_input)

    def once() -> None:
        with session.stream_without_token(form.url, {}, method=form.method, body=body) as stream:
            if stream.status >= 300:  # noqa: PLR2004
                message = "the storage does not accept the file"
                raise storage_error(UploadError, message, form.method, stream, session)
            if is_html(stream.headers):
                error = ResponseError("an HTML page, which no storage of packages responds with", method=form.method)
                error.url, error.status, error.damaged = redact_url(form.url).partition("?")[0], stream.status, True
                raise error

    session.retries.run(once, idempotent=True)
    path = quote(key.replace("${filename}", file.name), safe=_UNTOUCHED, errors="surrogateescape")
    return f"{form.url.rstrip('/')}/{path}"


def _opening(boundary: str, name: str) -> str:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPED)}"'


def _is_text(texts: Iterable[str]) -> bool:
    """Whether texts can be encoded; JSON may contain half of a character."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def _name_of(source: Source) -> str:
    if isinstance(source, str | os.PathLike):
        return as_path("the name of a file", source)
    name: object = getattr(source, "name", None)
    if isinstance(name, int) or name is None:  # a file that was opened by its descriptor
        raise TypeError("an open file without a name needs one: filename=…")
    return as_path("the name of a file", name)
