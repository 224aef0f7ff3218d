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
    from buildkite_orm.fake.collections import Thing
    from buildkite_orm.fake.http import Call
    from buildkite_orm.fake.records import Json

_LONGEST_NAME = 255
_COPIED = frozenset({"alpine", "debian", "files", "javascript", "python", "red_hat", "rpm", "ruby"})
# generic files are named by a semantic version; the others by the rules of their kind, of which this is the gist
_FILE = re.compile(
    r"(?P<name>[A-Za-z0-9-]+?)-(?P<version>\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+?)?(?:\+[0-9A-Za-z.-]+?)?)(?:\.tar)?\.\w+"
)
_OTHER = re.compile(r"(?P<name>.+?)[-_]v?(?P<version>\d[\dA-Za-z.+~]*?(?:-\d+)?)(?:[-_].*|\.\w*64)?(?:\.tar)?\.[a-z]+")


def _package(call: Call, thing: Thing) -> Json:
    """Tell a package by itself."""
    registry = REGISTRIES.find(call)
    return {**_gist(call, registry, thing), **whereabouts(call, registry)}


def _gist(call: Call, registry: Thing, thing: Thing) -> Json:
    return {
        "id": thing.id,
        **place(call, registry, f"/packages/{thing.id}"),
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


def list_packages(call: Call) -> Reply:
    """List the packages, newest first; those of a name where one is told."""
    registry, name = REGISTRIES.find(call), call.request.args.get("name")
    found = [each for each in reversed(PACKAGES.shelf(call).values()) if name in {None, "", each.data["name"]}]

    def tell(thing: Thing) -> Json:
        more = {"created_at": call.view.time(thing.created_at), "version": thing.data["version"]}
        return {**_gist(call, registry, thing), **more}

    return cursor_paged(call, found, lambda each: -each.data["place"], tell)


def publish_package(call: Call) -> Reply:
    """Publish the file that comes, or the one that has come to the storage."""
    registry = REGISTRIES.find(call)
    files = uploads_in(call.request, "file")
    content = files[0].content if files else _stored(call, registry)
    return Reply(payload=_package(call, add_package(call, registry, content)))


def add_package(call: Call, registry: Thing, content: Json) -> Thing:
    """Add a package of a content to a registry, now."""
    thing = made(call, packaged(registry, content))
    return put_package(call.world.store.shelves.of(PACKAGES.kind, registry.id), thing)


def put_package(shelf: dict[str, Thing], thing: Thing) -> Thing:
    """Put a package behind those that a registry has."""
    last = next(reversed(shelf.values()), None)
    thing.data["place"] = 0 if last is None else last.data["place"] + 1
    shelf[thing.id] = thing
    return thing


def packaged(registry: Thing, content: Json) -> Json:
    """Give what a package of a content is; raises where its file is not named as one."""
    pattern = _FILE if registry.data["ecosystem"] == "files" else _OTHER
    found = pattern.fullmatch(content["filename"][: _LONGEST_NAME + 1])
    if found is None or len(content["filename"]) > _LONGEST_NAME:
        raise ApiError(422, "Invalid filename format. Expected: {BASENAME}-{SEMVER}.{EXT}")
    return {**content, **found.groupdict()}


def _stored(call: Call, registry: Thing) -> Json:
    url = call.request.form.get("package_url")
    if url is None:
        raise InvalidError([("file", "missing_field")])
    _, _, key = unquote(url).partition(f"{call.artifacts_base}/")
    found = storage.uploaded(call.world, key) if key.startswith(f"{_folder(call, registry)}/") else None
    if found is None:
        raise ApiError(422, "Validation failed: Package url is not that of an uploaded file")
    return found.data


def request_upload(call: Call) -> Reply:
    """Give a form to upload a file by."""
    folder = f"{_folder(call, REGISTRIES.find(call))}/{call.world.store.ids.uuid()}"
    now = call.world.clock.now()
    expires = now + call.world.settings.artifact_url_lifetime
    return Reply(payload=storage.signed_form(call.artifacts_base, folder, now, expires, call.world.secret))


def _folder(call: Call, registry: Thing) -> str:
    return f"{call.organization.id}/{registry.id}"


def copy_package(call: Call) -> Reply:
    """Copy one to another registry."""
    source, package = REGISTRIES.find(call), PACKAGES.find(call)
    to = call.request.args.get("to")
    if not to:
        raise InvalidError([("to", "missing_field")])
    target = REGISTRIES.shelf(call).get(to)
    if target is None:
        raise ApiError(404, "No destination registry found")
    if source.data["ecosystem"] not in _COPIED:
        raise ApiError(422, f"Packages of the ecosystem {source.data['ecosystem']} cannot be copied")
    if target.data["ecosystem"] != source.data["ecosystem"]:
        raise ApiError(422, "The destination registry is of another ecosystem")
    copied = add_package(call, target, package.data)
    return Reply(payload={**_gist(call, target, copied), **whereabouts(call, target)})


ROUTES = (
    route("GET", PACKAGES.path, PACKAGES.read, list_packages),
    route("POST", PACKAGES.path, PACKAGES.write, publish_package),
    route("POST", PACKAGES.path + "/upload", PACKAGES.write, request_upload),
    route("POST", _ONE + "/copy", "read_packages write_packages", copy_package),
    route("DELETE", _ONE, "delete_packages", PACKAGES.delete_one),
    *PACKAGES.routes("get"),
)
