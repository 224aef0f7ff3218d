"""Files that are uploaded in forms: hashed while they are received, and discarded."""

from __future__ import annotations

import hashlib
import io
from typing import IO, TYPE_CHECKING

from werkzeug.wrappers import Request

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from werkzeug.formparser import FormDataParser

    from buildkite_orm.fake.records import Json


class Upload(io.BytesIO):
    """A file that is counted and hashed while it is received.

    Attributes:
        size: The number of bytes received.
    """

    def __init__(self, filename: str) -> None:
        super().__init__()
        self.filename = filename
        self.size = 0
        self._sums = (hashlib.sha256(), hashlib.sha512())

    def write(self, data: ReadableBuffer, /) -> int:
        """Count and hash the next bytes."""
        for each in self._sums:
            each.update(data)
        size = memoryview(data).nbytes
        self.size += size
        return size

    @property
    def content(self) -> Json:
        """The fields that are stored of the file."""
        return {
            "filename": self.filename,
            "size": self.size,
            "digests": {each.name: each.hexdigest() for each in self._sums},
        }


class FormRequest(Request):
    """A request whose form may contain large files."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        del total_content_length, content_type, content_length
        return Upload(filename or "")

    def make_form_data_parser(self) -> FormDataParser:
        """Return a parser that raises if a form is malformed."""
        parser = super().make_form_data_parser()
        parser.silent = False
        return parser


def uploads_in(request: Request, field: str) -> list[Upload]:
    """Return the files in a field of a form."""
    return [each.stream for each in request.files.getlist(field) if isinstance(each.stream, Upload)]
