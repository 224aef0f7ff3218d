"""Links to files: requested as the server wrote them, and followed only where they may lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkite_orm import DownloadError, ResponseError
from buildkite_orm.http.network import Network, NetworkOptions
from buildkite_orm.http.signed_links import resolve_link, split_link
from tests.network.calls import artifact
from tests.network.servers import response

if TYPE_CHECKING:
    from tests.network.conftest import Connect, Serve
    from tests.network.servers import Connection, Handler

TARGETS = [
    "/a%7Eb%41c~d?x=%7e&y=%41",
    "/a/../b/./c/..?dots",
    "/a|b^c`d?e|f",
    "/it's?q='x'&r=[1]{2}",
    "//double//slash//?x=//y",
    "/p;a=b?c;d",
    "/only?",
    "/plus+a?b=c+d%2B",
    "/%?%",
    "/%zz?%2",
    "/a\\b?c\\d",
    "/x?to=http://other/c@d?e",
    "/a:b@c",
    "/?X-Amz-Credential=A%2FB/c&X-Amz-Signature=%2f",
]
ENCODED = {
    "/grün/é?ñ=日本": "/gr%C3%BCn/%C3%A9?%C3%B1=%E6%97%A5%E6%9C%AC",
    "/sp ace?a  b": "/sp%20ace?a%20%20b",
    "/before?x#fragment?y": "/before?x",
    "?query=1": "/?query=1",
    "": "/",
}


def always(data: bytes) -> Handler:
    """Return a handler that sends the same response to each request."""

    def respond(connection: Connection, _index: int) -> None:
        while connection.read_request():
            connection.send(data)

    return respond


def requested(serve: Serve, connect: Connect, location: str, *, onward: str = "") -> list[str]:
    """Return what was requested for a file whose link is `location`, and whose storage redirects to `onward`."""

    def respond(connection: Connection, _index: int) -> None:
        while request := connection.read_request():
            if request.path.endswith("/download"):
                link = location.format(storage=server.url)
            elif onward and len(server.requests) <= 2:
                link = onward.format(storage=server.url)
            else:
                connection.send(response(body=b"content"))
                continue
            connection.send(response(302, {"Location": "@"}).replace(b"@", link.encode()))

    server = serve(respond)
    assert artifact(connect(server)).download() == b"content"
    assert not any(request.header("Authorization") for request in server.requests[1:])
    return [request.target for request in server.requests[1:]]


@pytest.mark.parametrize("target", TARGETS)
def test_signed_links_are_requested_byte_for_byte(serve: Serve, connect: Connect, target: str) -> None:
    escaped = target.replace("{", "{{").replace("}", "}}")
    assert requested(serve, connect, f"{{storage}}{escaped}") == [target]
    assert requested(serve, connect, "{storage}/first?sig=1", onward=f"{{storage}}{escaped}")[1:] == [target]
    if not target.startswith("//"):
        assert requested(serve, connect, "{storage}/first?sig=1", onward=escaped)[1:] == [target]


@pytest.mark.parametrize(("target", "sent"), ENCODED.items())
def test_spaces_and_characters_beyond_ascii_in_a_link_are_encoded_as_the_bytes_that_arrived(
    serve: Serve, connect: Connect, target: str, sent: str
) -> None:
    assert requested(serve, connect, f"{{storage}}{target}") == [sent]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("next//file?a;b", "/base//dir/next//file?a;b"),
        ("../up?x", "/base//up?x"),
        ("./same:name?%41", "/base//dir/same:name?%41"),
        ("../../../../top", "/top"),
        ("..", "/base//"),
        ("?only=%7E", "/base//dir/file?only=%7E"),
        ("#fragment", "/base//dir/file?sig=1"),
    ],
)
def test_a_relative_location_is_resolved_and_otherwise_kept(
    serve: Serve, connect: Connect, location: str, target: str
) -> None:
    assert requested(serve, connect, "{storage}/base//dir/file?sig=1", onward=location)[1:] == [target]


def test_a_location_without_a_scheme_keeps_its_path() -> None:
    assert resolve_link("https://one/x?y", "//two//a/../b?") == "https://two//a/../b?"


def test_a_user_in_a_link_is_neither_sent_nor_shown(serve: Serve, connect: Connect) -> None:
    storage = serve(always(response(404)))
    link = storage.url.replace("//", "//user:pass%40word@")
    with pytest.raises(DownloadError, match="404") as caught:
        artifact(connect(serve(always(response(302, {"Location": link}))))).download()
    assert "word" not in repr(caught.value) + str(caught.value)
    assert not storage.requests[0].header("Authorization")
    assert "@" not in storage.requests[0].header("Host")


@pytest.mark.parametrize("server", ["evil\\@127.0.0.1", "127.0.0.1\\@evil", "127.0.0.1 x"])
def test_a_link_whose_host_parsers_read_differently_is_not_followed(
    serve: Serve, connect: Connect, server: str
) -> None:
    link = f"http://{server}:1/x"
    with pytest.raises(ValueError, match="no host"):
        split_link(link)
    with pytest.raises(ResponseError):
        artifact(connect(serve(always(response(302, {"Location": link}))))).download()


HOSTS = """127.0.0.1 localhost LOCALHOST localhost. evil.localhost 127.1 0x7f000001 2130706433 [::1] [::ffff:127.0.0.1]
    0.0.0.0 [::] user@127.0.0.1 127.0.0.1:8080"""


@pytest.mark.parametrize("host", HOSTS.split())
def test_a_plain_link_to_this_machine_is_not_followed_unless_the_api_is_on_it(host: str) -> None:
    network = Network(NetworkOptions())
    network.checked_base_url("https://api.buildkite.com")
    assert not network.can_follow(f"http://{host}/x")
    network.checked_base_url("http://127.0.0.1:8000")
    is_loopback = host.rpartition("@")[2].lower() in {"127.0.0.1", "127.0.0.1:8080", "localhost", "[::1]"}
    assert network.can_follow(f"http://{host}/x") == is_loopback
