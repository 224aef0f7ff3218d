"""Packages: published by a form, or from a file that was uploaded to the storage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from buildkite_orm.fake import storage
from buildkite_orm.fake.handlers.collection import Collection, new_record
from buildkite_orm.fake.handlers.packages.registries import REGISTRIES, REGISTRY, parent_fields, place, registry_id_of
from buildkite_orm.fake.handlers.route import route
from buildkite_orm.fake.http import ApiError, InvalidError, Reply
from buildkite_orm.fake.paging import cursor_paged
from buildkite_orm.fake.uploads import uploads_in
from buildkite_orm.fake.webhooks.payloads import PublishedPackage

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

_LONGEST_NAME = 255
_COPIED = frozenset({"alpine", "debian", "files", "javascript", "python", "red_hat", "rpm", "ruby"})
# generic files need a semantic version; the other ecosystems have their own rules, simplified here
_FILE = re.compile(
    r"(?P<name>[A-Za-z0-9-]+?)-(?P<version>\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+?)?(?:\+[0-9A-Za-z.-]+?)?)(?:\.tar)?\.\w+"
)
_OTHER = re.compile(r"(?P<name>.+?)[-_]v?(?P<version>\d[\dA-Za-z.+~]*?(?:-\d+)?)(?:[-_].*|\.\w*64)?(?:\.tar)?\.[a-z]+")


def _package(request: ApiRequest, record: Record) -> Json:
    """Return the payload of a single package."""
    registry = REGISTRIES.find(request)
    return {**_summary(request, registry, record), **parent_fields(request, registry)}


def _summary(request: ApiRequest, registry: Record, record: Record) -> Json:
    return {
        "id": record.id,
        **place(request, registry, f"/packages/{record.id}"),
        "name": record.data["name"],
        "digests": record.data["digests"],
    }


PACKAGES = Collection(
    kind="package",
    path=REGISTRY + "/packages",
    key="package",
    read="read_packages",
    write="write_packages",
    render=_package,
    owner=registry_id_of,
    statuses={"delete": 200},
)
_ITEM = PACKAGES.path + "/{package}"


def list_packages(request: ApiRequest) -> Reply:
    """List the packages, newest first; with `name`, only those with that name."""
    registry, name = REGISTRIES.find(request), request.http.args.get("name")
    found = [each for each in reversed(PACKAGES.records(request).values()) if name in {None, "", each.data["name"]}]

    def render(record: Record) -> Json:
        more = {"created_at": request.view.time(record.created_at), "version": record.data["version"]}
        return {**_summary(request, registry, record), **more}

    return cursor_paged(request, found, lambda each: -each.data["place"], render)


def publish_package(request: ApiRequest) -> Reply:
    """Publish the file in the form, or one that was uploaded to the storage."""
    registry = REGISTRIES.find(request)
    files = uploads_in(request.http, "file")
    content = files[0].content if files else _stored(request, registry)
    return Reply(payload=_package(request, add_package(request, registry, content)))


def add_package(request: ApiRequest, registry: Record, content: Json) -> Record:
    """Add a package to a registry, now."""
    store, record = request.context.store, new_record(request, packaged(registry, content))
    put_package(store.collections.of(PACKAGES.kind, registry.id), record)
    store.notify("package.created", PublishedPackage(request.organization, registry, record))
    return record


def put_package(records: dict[str, Record], record: Record) -> Record:
    """Append a package to those of a registry."""
    last = next(reversed(records.values()), None)
    record.data["place"] = 0 if last is None else last.data["place"] + 1
    records[record.id] = record
    return record


def packaged(registry: Record, content: Json) -> Json:
    """Return the fields of a package for a file; raise if its name is not that of a package."""
    pattern = _FILE if registry.data["ecosystem"] == "files" else _OTHER
    found = pattern.fullmatch(content["filename"][: _LONGEST_NAME + 1])
    if found is None or len(content["filename"]) > _LONGEST_NAME:
        raise ApiError(422, "Invalid filename format. Expected: {BASENAME}-{SEMVER}.{EXT}")
    return {**content, **found.groupdict()}


def _stored(request: ApiRequest, registry: Record) -> Json:
    url = request.http.form.get("package_url")
    if url is None:
        raise InvalidError([("file", "missing_field")])
    _, _, key = unquote(url).partition(f"{request.artifacts_base}/")
    found = storage.uploaded(request.context, key) if key.startswith(f"{_folder(request, registry)}/") else None
    if found is None:
        raise ApiError(422, "Validation failed: Package url is not that of an uploaded file")
    return found.data


def request_upload(request: ApiRequest) -> Reply:
    """Return a form for uploading a file to the storage."""
    folder = f"{_folder(request, REGISTRIES.find(request))}/{request.context.store.ids.uuid()}"
    now = request.context.clock.now()
    expires = now + request.context.settings.artifact_url_lifetime
    return Reply(payload=storage.signed_form(request.artifacts_base, folder, now, expires, request.context.secret))


def _folder(request: ApiRequest, registry: Record) -> str:
    return f"{request.organization.id}/{registry.id}"


def copy_package(request: ApiRequest) -> Reply:
    """Copy a package to another registry."""
    source, package = REGISTRIES.find(request), PACKAGES.find(request)
    to = request.http.args.get("to")
    if not to:
        raise InvalidError([("to", "missing_field")])
    target = REGISTRIES.records(request).get(to)
    if target is None:
        raise ApiError(404, "No destination registry found")
    if source.data["ecosystem"] not in _COPIED:
        raise ApiError(422, f"Packages of the ecosystem {source.data['ecosystem']} cannot be copied")
    if target.data["ecosystem"] != source.data["ecosystem"]:
        raise ApiError(422, "The destination registry is of another ecosystem")
    copied = add_package(request, target, package.data)
    return Reply(payload={**_summary(request, target, copied), **parent_fields(request, target)})


ROUTES = (
    route("GET", PACKAGES.path, PACKAGES.read, list_packages),
    route("POST", PACKAGES.path, PACKAGES.write, publish_package),
    route("POST", PACKAGES.path + "/upload", PACKAGES.write, request_upload),
    route("POST", _ITEM + "/copy", "read_packages write_packages", copy_package),
    route("DELETE", _ITEM, "delete_packages", PACKAGES.delete_record),
    *PACKAGES.routes("get"),
)
