"""Where artifacts are kept: another origin, which answers signed URLs and nothing else, as S3 does."""

from __future__ import annotations

import hashlib
import hmac
import math
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from werkzeug.http import http_date, parse_range_header
from werkzeug.wrappers import Response

from buildkite_orm.fake.ids import digest

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

    from buildkite_orm.fake.records import ArtifactRecord
    from buildkite_orm.fake.world import World

_KEY_ID = "AKIAFAKEFAKEFAKEFAKE"


def signed_url(base: str, artifact: ArtifactRecord, expires: float, secret: str) -> str:
    """Give a URL that is good until `expires`."""
    path = f"/{digest('artifact', artifact.id)[:32]}/{artifact.id}/{artifact.path}"
    until = str(math.ceil(expires))
    query = {"AWSAccessKeyId": _KEY_ID, "Expires": until, "Signature": _signature(secret, path, until)}
    return f"{base}{quote(path)}?{urlencode(query)}"


def _signature(secret: str, path: str, expires: str) -> str:
    return hmac.new(secret.encode(), f"{path}?{expires}".encode(), hashlib.sha256).hexdigest()[:40]


def _refused(status: int, code: str, message: str) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(body, status, content_type="application/xml")


def serve(world: World, request: Request) -> Response:
    """Answer a request for a file, or for a part of it."""
    if "Authorization" in request.headers:
        message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
        message += "Signature query string parameter or the Authorization header should be specified"
        return _refused(400, "InvalidArgument", message)
    if request.method not in {"GET", "HEAD"}:
        return _refused(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
    expires, signature = (request.args.get(name, "") for name in ("Expires", "Signature"))
    if not hmac.compare_digest(signature.encode(), _signature(world.secret, request.path, expires).encode()):
        return _refused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
    if world.clock.now() > float(expires):
        return _refused(403, "AccessDenied", "Request has expired")
    artifact = world.store.artifacts.get(request.path.split("/")[2])
    if artifact is None or artifact.state == "deleted":
        return _refused(404, "NoSuchKey", "The specified key does not exist.")
    return _file(request, artifact)


def _file(request: Request, artifact: ArtifactRecord) -> Response:
    content = artifact.content
    etag = f'"{digest(artifact.id, content.size)[:32]}"'
    headers = {"Accept-Ranges": "bytes", "ETag": etag, "Last-Modified": http_date(artifact.job.created_at)}
    start, stop, status = 0, content.size, 200
    asked = parse_range_header(request.headers.get("Range"))
    # S3 answers several ranges at once, and a range of another version, with the whole
    if asked is not None and len(asked.ranges) == 1 and request.headers.get("If-Range", etag) == etag:
        found = asked.range_for_length(content.size)
        if found is None:
            response = _refused(416, "InvalidRange", "The requested range is not satisfiable")
            response.headers["Content-Range"] = f"bytes */{content.size}"
            return response
        (start, stop), status = found, 206
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
    response = Response(content.read(start, stop), status, headers, content_type=artifact.mime_type)
    response.headers["Content-Length"] = str(stop - start)
    return response
