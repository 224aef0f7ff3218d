"""Files on their way to Buildkite: forms that are read while they are sent, and never held.

requests would build such a form in memory. The library that streams one, requests-toolbelt, is hardly maintained, and
its forms can be read once only; here one begins anew wherever a request is sent again.
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
    """A file to be sent: by its path, or open, from where it stands to its end.

    Args:
        source: A path, or a file that is open for reading bytes.
        name: What it is called; the name of the file itself unless told.

    Raises:
        OSError: It is not there, or cannot be read.
        TypeError: It does not give bytes, or has no name.
        ValueError: It cannot be read from one place more than once, or its name is empty.
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
                raise TypeError(f"{self.name!r} gives text; open it for bytes: open(path, 'rb')")
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
    """A form: fields, and behind them a file.

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
        self._head = "".join(parts).encode("utf-8", "surrogateescape")  # a name may be none of UTF-8
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
    """Send a file to where packages are kept, and give its URL there.

    It is sent again where the connection or the storage fails: nothing is published by that, and one takes the place of
    the other.

    Args:
        session: The session; its token stays out of this.
        form: What the API allows to be sent, and where.
        file: The file.

    Raises:
        UploadError: The storage does not take it.
        ResponseError: The form is none that can be followed.
    """
    key = form.data.get("key")
    if key is None:
        raise ResponseError("the form to upload by does not say where the file goes")
    if form.method.upper() not in _METHODS:
        raise ResponseError(f"the form to upload by is to be sent by {form.method[:20]!r}, not by {_METHODS[0]}")
    if not _is_text([form.file_input, *form.data, *form.data.values()]):
        raise ResponseError("the form to upload by has half a character, which cannot be sent")
    body = MultipartForm(form.data, file, file_field=form.file_input)

    def once() -> None:
        with session.stream_elsewhere(form.url, {}, method=form.method, body=body) as stream:
            if stream.status >= 300:  # noqa: PLR2004
                what = "the storage does not take the file"
                raise storage_error(UploadError, what, form.method, stream, session)
            if is_html(stream.headers):
                error = ResponseError("an HTML page, which no storage of packages answers with", method=form.method)
                error.url, error.status, error.damaged = redact_url(form.url).partition("?")[0], stream.status, True
                raise error

    session.retries.run(once, idempotent=True)
    path = quote(key.replace("${filename}", file.name), safe=_UNTOUCHED, errors="surrogateescape")
    return f"{form.url.rstrip('/')}/{path}"


def _opening(boundary: str, name: str) -> str:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPED)}"'


def _is_text(texts: Iterable[str]) -> bool:
    """Return whether texts can be encoded; JSON may have one half of a character."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def _name_of(source: Source) -> str:
    if isinstance(source, str | os.PathLike):
        return as_path("the name of a file", source)
    name: object = getattr(source, "name", None)
    if isinstance(name, int) or name is None:  # one that was opened by its number
        raise TypeError("an open file without a name needs one: filename=…")
    return as_path("the name of a file", name)
