"""Packages, and how they are published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Self, TypedDict

from pydantic import Field

from buildkite_orm.errors import ResponseError
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.paths import key_in
from buildkite_orm.models.ref import Deletable, Ref, load_object
from buildkite_orm.models.resource import Fetchable, Model, Resource, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.packages.embedded import EmbeddedOrganization, EmbeddedRegistry
from buildkite_orm.resources.parents import InRegistry

if TYPE_CHECKING:
    import os
    from typing import Unpack

    from buildkite_orm.resources.packages.registry import RegistryRef

__all__ = [
    "Package",
    "PackageDigests",
    "PackageFilters",
    "PackageQuerySet",
    "PackageRef",
    "PresignedForm",
    "PresignedUpload",
]


class PackageFilters(TypedDict, total=False):
    """Filters for packages.

    Attributes:
        name: Their name.
    """

    name: str


class PackageRef(InRegistry, Deletable):
    """The ref of a package."""

    _kind = "package"
    _paths = ("packages/organizations/{organization}/registries/{registry}/packages/{id}",)
    delete_documentation = "package-registries/packages#delete-a-package"

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> Package:
        """Fetch the package.

        Raises:
            NotFoundError: The registry has none with this id.

        Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/packages#get-a-package
        """
        return self._request(Package)

    def copy_to(self, registry: RegistryRef | str) -> Package:
        """Copy it to another registry of its organization and ecosystem, and return the copy.

        The API does that for Alpine, Debian, JavaScript, Python, Red Hat and Ruby packages, and for files.

        Args:
            registry: The registry, or its slug.

        Raises:
            UnprocessableEntityError: The ecosystem is not one of these, or not that of the other registry.
            ValueError: The registry belongs to another organization.

        Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/packages#copy-a-package
        """
        if isinstance(registry, Ref):
            if registry.organization != self.organization:
                raise ValueError(f"{registry!r} is in another organization than {self!r}")
            registry = key_in(registry.api_path)
        return self._request(Package, "POST", "copy", params={"to": registry})


class PackageDigests(Model):
    """The checksums of a package, in hexadecimal digits."""

    sha256: str | None = None
    sha512: str | None = None


class Package(PackageRef, Fetchable):
    """A package in a registry.

    Attributes:
        version: Documented for listings; so is `created_at`.
        variant: Known from the Go client only; so is `metadata`.
        embedded_organization: The organization; not documented for listings.
        embedded_registry: The registry, likewise.

    Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/packages
    """

    _repr_fields: ClassVar[tuple[str, ...]] = ("name", "version", "variant")

    id: str
    url: str
    web_url: str | None = None
    name: str
    version: str | None = None
    variant: str | None = None
    metadata: dict[str, Any] | None = None
    created_at: Timestamp | None = None
    digests: PackageDigests | None = None
    embedded_organization: EmbeddedOrganization | None = Field(default=None, alias="organization")
    embedded_registry: EmbeddedRegistry | None = Field(default=None, alias="registry")


class PresignedForm(Model):
    """A form that uploads a file to the package storage.

    Attributes:
        url: The URL that it is sent to.
        method: The HTTP method.
        file_input: The field of the file, which is the last one.
        data: The other fields. They are a key to the storage, and show in no repr.
    """

    url: str
    method: str = "POST"
    file_input: str = "file"
    data: dict[str, str] = Field(repr=False)


class PresignedUpload(Resource):
    """Permission to upload a file.

    Attributes:
        uri: The URI of the file in the storage.
        form: The form to send it by.

    Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/packages
    """

    identity: ClassVar[str | None] = None
    has_url: ClassVar[bool] = False
    _repr_fields: ClassVar[tuple[str, ...]] = ("uri",)

    uri: str | None = None
    form: PresignedForm


class PackageQuerySet(QuerySet[Package]):
    """The packages of a registry, newest first."""

    _model = Package
    _filters_type = PackageFilters
    _is_numbered = False

    def filter(self, **filters: Unpack[PackageFilters]) -> Self:
        """Return a queryset with more filters; see `PackageFilters`."""
        return self._filtered(filters)

    def publish(self, file: str | os.PathLike[str] | BinaryIO, *, filename: str | None = None) -> Package:
        """Publish a file as a package, in one request.

        It is read while it is sent, so its size does not matter; for large ones see also `publish_presigned()`.

        Args:
            file: A path, or a file opened for reading bytes, which is sent from its current position to its end.
            filename: Its name, if it differs from that of the file; registries often parse name and version from it.

        Raises:
            UnprocessableEntityError: It is not a package of the registry's ecosystem, or not named like one.
            UploadError: It changed while it was sent.
            OSError: It does not exist, or cannot be read.

        Example:
            >>> from io import BytesIO
            >>> files = bk.organization("acme").registry("files")
            >>> files.packages().publish(BytesIO(b"hello"), filename="greeting-1.0.0.txt").name
            'greeting'

        Documentation: https://buildkite.com/docs/apis/rest-api/package-registries/packages#publish-a-package
        """
        from buildkite_orm.files.multipart import File, MultipartForm

        return self._create(MultipartForm({}, File(file, filename)))

    def publish_presigned(self, file: str | os.PathLike[str] | BinaryIO, *, filename: str | None = None) -> Package:
        """Publish a file as a package, uploaded to the package storage directly instead of through the API.

        This takes three requests, two of them to the API. A failed upload to the storage is retried, as often
        as the client's `retry=` says.

        Args:
            file: As for `publish()`.
            filename: As for `publish()`.

        Raises:
            UnprocessableEntityError: It is not a package of the registry's ecosystem, or not named like one.
            UploadError: The storage does not take it, or it changed while it was sent.
            OSError: It does not exist, or cannot be read.

        Documentation: none; the Go client uses it.
        """
        from buildkite_orm.files.multipart import File, MultipartForm, send_to_storage

        content = File(file, filename)
        return self._create(MultipartForm({"package_url": send_to_storage(self._session, self._form(), content)}))

    def _form(self) -> PresignedForm:
        request, binding = ApiRequest("POST", f"{self._path}/upload", safe=True), Binding(self._session, self._path)
        upload = load_object(PresignedUpload, self._session, request, binding)
        if upload.drift:
            raise ResponseError("the response has no upload form", method="POST")
        return upload.form
