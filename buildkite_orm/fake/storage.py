"""The storage origin: serves signed URLs, accepts signed forms, and rejects everything else, as S3 does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from werkzeug.http import http_date, parse_range_header
from werkzeug.wrappers import Response

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.ids import digest
from buildkite_orm.fake.serialization import to_bytes
from buildkite_orm.fake.times import iso, parse
from buildkite_orm.fake.uploads import uploads_in

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.records import ArtifactRecord, Json

_KEY_ID = "AKIAFAKEFAKEFAKEFAKE"
_BUCKET = "fake-packages"
_FILE_NAME = "${filename}"
_UPLOADED = ("uploaded_file", _BUCKET)


def signed_url(base: str, artifact: ArtifactRecord, expires: float, secret: str) -> str:
    """Return a URL that is valid until `expires`."""
    path = to_bytes(f"/{digest('artifact', artifact.id)[:32]}/{artifact.id}/{artifact.path}").decode()
    until = str(math.ceil(expires))
    query = {"AWSAccessKeyId": _KEY_ID, "Expires": until, "Signature": _signature(secret, path, until)}
    return f"{base}{quote(path)}?{urlencode(query)}"


def signed_form(base: str, folder: str, now: float, expires: float, secret: str) -> Json:
    """Return a form for uploading a file into a folder, valid until `expires`."""
    conditions = [{"bucket": _BUCKET}, ["starts-with", "$key", folder]]
    policy = json.dumps({"expiration": iso(expires), "conditions": conditions})
    encoded = base64.b64encode(policy.encode()).decode()
    moment = iso(now, "seconds").replace("-", "").replace(":", "")
    data = {
        "key": f"{folder}/{_FILE_NAME}",
        "acl": "private",
        "policy": encoded,
        "x-amz-credential": f"{_KEY_ID}/{moment[:8]}/us-east-1/s3/aws4_request",
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-date": moment,
        "x-amz-signature": _signed(secret, encoded),
    }
    form = {"file_input": "file", "method": "POST", "url": f"{base}/", "data": data}
    return {"uri": f"s3://{_BUCKET}/{folder}", "form": form}


def uploaded(context: Context, key: str) -> Record | None:
    """Return the record of an uploaded file by its key, or None."""
    return context.store.collections.of(*_UPLOADED).get(key)


def _signature(secret: str, path: str, expires: str) -> str:
    return _signed(secret, f"{path}?{expires}")[:40]


def _signed(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def error_response(status: int, code: str, message: str) -> Response:
    """Return an error response in the format of S3."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(body, status, content_type="application/xml")


def serve(context: Context, request: Request) -> Response:
    """Return the response to a download (whole or a range) or an upload."""
    if "Authorization" in request.headers:
        message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
        message += "Signature query string parameter or the Authorization header should be specified"
        return error_response(400, "InvalidArgument", message)
    if request.method == "POST":
        return _receive_upload(context, request)
    if request.method in {"GET", "HEAD"}:
        return _serve_file(context, request)
    return error_response(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")


def _serve_file(context: Context, request: Request) -> Response:
    expires, signature = (request.args.get(name, "") for name in ("Expires", "Signature"))
    if not hmac.compare_digest(signature.encode(), _signature(context.secret, request.path, expires).encode()):
        return error_response(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
    if context.clock.now() > float(expires):
        return error_response(403, "AccessDenied", "Request has expired")
    artifact = context.store.artifacts.get(request.path.split("/")[2])
    if artifact is None or artifact.state == "deleted":
        return error_response(404, "NoSuchKey", "The specified key does not exist.")
    return _file(request, artifact)


def _file(request: Request, artifact: ArtifactRecord) -> Response:
    content = artifact.content
    etag = f'"{digest(artifact.id, content.size)[:32]}"'
    headers = {"Accept-Ranges": "bytes", "ETag": etag, "Last-Modified": http_date(artifact.job.created_at)}
    start, stop, status = 0, content.size, 200
    byte_range = parse_range_header(request.headers.get("Range"))
    # S3 returns the whole file for several ranges, and for a range of another version
    if byte_range is not None and len(byte_range.ranges) == 1 and request.headers.get("If-Range", etag) == etag:
        found = byte_range.range_for_length(content.size)
        if found is None:
            response = error_response(416, "InvalidRange", "The requested range is not satisfiable")
            response.headers["Content-Range"] = f"bytes */{content.size}"
            return response
        (start, stop), status = found, 206
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
    response = Response(content.read(start, stop), status, headers, content_type=artifact.mime_type)
    response.headers["Content-Length"] = str(stop - start)
    return response


def _receive_upload(context: Context, request: Request) -> Response:
    """Store the file of a signed form."""
    if request.content_length is None:
        return error_response(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    form, files = request.form, uploads_in(request, "file")
    policy, signature = form.get("policy", ""), form.get("x-amz-signature", "")
    if not hmac.compare_digest(signature.encode(), _signed(context.secret, policy).encode()):
        return error_response(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
    if len(files) != 1:
        return error_response(400, "IncorrectNumberOfFilesInPostRequest", "POST requires exactly one file upload.")
    key = form.get("key", "").replace(_FILE_NAME, files[0].filename)
    if (problem := _policy_violation(json.loads(base64.b64decode(policy)), key, context.clock.now())) is not None:
        return error_response(403, "AccessDenied", f"Invalid according to Policy: {problem}")
    record = Record(id=key, data=files[0].content, created_at=context.clock.now())
    context.store.collections.put(*_UPLOADED, key, record)
    etag = f'"{digest(*files[0].content["digests"].values())[:32]}"'
    return Response(status=204, headers={"ETag": etag, "Location": f"{request.host_url}{quote(key)}"})


def _policy_violation(policy: Json, key: str, now: float) -> str | None:
    """Return how an upload violates a form's policy, or None."""
    if now > (parse(policy["expiration"]) or 0):
        return "Policy expired."
    _, (_, _, folder) = policy["conditions"]
    if not key.startswith(f"{folder}/"):
        return f'Policy Condition failed: ["starts-with", "$key", "{folder}"]'
    return None
