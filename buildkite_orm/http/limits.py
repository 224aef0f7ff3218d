"""The largest size of responses."""

from __future__ import annotations

from dataclasses import dataclass, fields

from buildkite_orm.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimits:
    """The most bytes of a response, counted after decompression: `Buildkite(limits=SizeLimits(response=10**9))`.

    Raises:
        ConfigurationError: A limit is not a number above 0.

    Attributes:
        response: A response of the API.
        error_body: The body of an error response; the rest of it is not read.
        file: A file or log that does not declare its size. One that does is stopped one byte after its declared size.
    """

    response: int = 128_000_000
    error_body: int = 64_000
    file: int = 10_000_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            limit: object = getattr(self, field.name)
            if not isinstance(limit, int | float) or not limit > 0:
                raise ConfigurationError(f"SizeLimits({field.name}={limit!r}): must be a number of bytes, above 0")
