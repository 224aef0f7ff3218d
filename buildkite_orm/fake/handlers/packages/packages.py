"""Packages: published by a form, or by what a form has brought to the storage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from buildkite_orm.fake import storage
from buildkite_orm.fake.handlers.collection import Collection, made
from buildkite_orm.fake.handlers.packages.registries import REGISTRIES, REGISTRY, of_registry, place, whereabouts
from buildkite_orm.fake.handlers.route import route
from buildkite_orm.fake.http import ApiError, InvalidError, Reply
from buildkite_orm.fake.paging import cursor_paged
from buildkite_orm.fake.uploads import uploads_in

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

_LONGEST_NAME = 255
_COPIED = frozenset({"alpine", "debian", "files", "javascript", "python", "red_hat", "rpm", "ruby"})
# generic files are named by a semantic version; the others by the rules of their kind, of which this is the gist
_FILE = re.compile(
    r"(?P<name>[A-Za-z0-9-]+?)-(?P<version>\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+?)?(?:\+[0-9A-Za-z.-]+?)?)(?:\.tar)?\.\w+"
)
_OTHER = re.compile(r"(?P<name>.+?)[-_]v?(?P<version>\d[\dA-Za-z.+~]*?(?:-\d+)?)(?:[-_].*|\.\w*64)?(?:\.tar)?\.[a-z]+")


def _package(request: ApiRequest, thing: Record) -> Json:
    """Tell a package by itself."""
    registry = REGISTRIES.find(request)
    return {**_gist(request, registry, thing), **whereabouts(request, registry)}


def _gist(request: ApiRequest, registry: Record, thing: Record) -> Json:
    return {
        "id": thing.id,
        **place(request, registry, f"/packages/{thing.id}"),
        "name": thing.data["name"],
        "digests": thing.data["digests"],
    }


PACKAGES = Collection(
    kind="package",
    path=REGISTRY + "/packages",
    key="package",
    read="read_packages",
    write="write_packages",
    tell=_package,
    owner=of_registry,
    statuses={"delete": 200},
)
_ONE = PACKAGES.path + "/{package}"


def list_packages(request: ApiRequest) -> Reply:
    """List the packages, newest first; those of a name where one is told."""
    registry, name = REGISTRIES.find(request), request.http.args.get("name")
    found = [each for each in reversed(PACKAGES.shelf(request).values()) if name in {None, "", each.data["name"]}]

    def tell(thing: Record) -> Json:
        more = {"created_at": request.view.time(thing.created_at), "version": thing.data["version"]}
        return {**_gist(request, registry, thing), **more}

    return cursor_paged(request, found, lambda each: -each.data["place"], tell)


def publish_package(request: ApiRequest) -> Reply:
    """Publish the file that comes, or the one that has come to the storage."""
    registry = REGISTRIES.find(request)
    files = uploads_in(request.http, "file")
    content = files[0].content if files else _stored(request, registry)
    return Reply(payload=_package(request, add_package(request, registry, content)))


def add_package(request: ApiRequest, registry: Record, content: Json) -> Record:
    """Add a package of a content to a registry, now."""
    thing = made(request, packaged(registry, content))
    return put_package(request.context.store.shelves.of(PACKAGES.kind, registry.id), thing)


def put_package(shelf: dict[str, Record], thing: Record) -> Record:
    """Put a package behind those that a registry has."""
    last = next(reversed(shelf.values()), None)
    thing.data["place"] = 0 if last is None else last.data["place"] + 1
    shelf[thing.id] = thing
    return thing


def packaged(registry: Record, content: Json) -> Json:
    """Give what a package of a content is; raises where its file is not named as one."""
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
    """Give a form to upload a file by."""
    folder = f"{_folder(request, REGISTRIES.find(request))}/{request.context.store.ids.uuid()}"
    now = request.context.clock.now()
    expires = now + request.context.settings.artifact_url_lifetime
    return Reply(payload=storage.signed_form(request.artifacts_base, folder, now, expires, request.context.secret))


def _folder(request: ApiRequest, registry: Record) -> str:
    return f"{request.organization.id}/{registry.id}"


def copy_package(request: ApiRequest) -> Reply:
    """Copy one to another registry."""
    source, package = REGISTRIES.find(request), PACKAGES.find(request)
    to = request.http.args.get("to")
    if not to:
        raise InvalidError([("to", "missing_field")])
    target = REGISTRIES.shelf(request).get(to)
    if target is None:
        raise ApiError(404, "No destination registry found")
    if source.data["ecosystem"] not in _COPIED:
        raise ApiError(422, f"Packages of the ecosystem {source.data['ecosystem']} cannot be copied")
    if target.data["ecosystem"] != source.data["ecosystem"]:
        raise ApiError(422, "The destination registry is of another ecosystem")
    copied = add_package(request, target, package.data)
    return Reply(payload={**_gist(request, target, copied), **whereabouts(request, target)})


ROUTES = (
    route("GET", PACKAGES.path, PACKAGES.read, list_packages),
    route("POST", PACKAGES.path, PACKAGES.write, publish_package),
    route("POST", PACKAGES.path + "/upload", PACKAGES.write, request_upload),
    route("POST", _ONE + "/copy", "read_packages write_packages", copy_package),
    route("DELETE", _ONE, "delete_packages", PACKAGES.delete_one),
    *PACKAGES.routes("get"),
)
