"""Render the Markdown of annotations as sanitized HTML.

See https://buildkite.com/docs/pipelines/configure/annotations#formatting-annotations.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.fake.logs import as_html

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

# the documentation lists most of these, and Markdown makes the others
_TAGS: Final = """
    a b blockquote br code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre s samp
    small span strike strong sub summary sup table tbody td tfoot th thead tr tt u ul var
"""
_ATTRIBUTES: Final = {
    "*": {"class", "title"},
    "a": {"href"},
    "details": {"open"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan"},
}
_URL_SCHEMES: Final = {"http", "https", "mailto", "itms-services", "artifact"}
# the exhaustive list of the documentation, a part of Basscss 8
_CLASSES: Final = """
    bold regular italic caps underline left-align center right-align justify align-baseline align-top
    align-middle align-bottom list-reset truncate fit inline block inline-block table table-cell
    overflow-hidden overflow-scroll overflow-auto ml-auto mr-auto mx-auto flex flex-column flex-wrap flex-auto
    flex-none items-start items-end items-center items-baseline items-stretch self-start self-end self-center
    self-baseline self-stretch justify-start justify-end justify-center justify-between justify-around
    content-start content-end content-center content-between content-around content-stretch order-0 order-1
    order-2 order-3 order-last border border-top border-right border-bottom border-left border-none rounded
    border-black border-gray border-silver border-white border-aqua border-blue border-navy border-teal
    border-green border-olive border-lime border-yellow border-orange border-red border-fuchsia border-purple
    border-maroon h1 h2 h3 h4 h5 h6 m0 mt0 mr0 mb0 ml0 mx0 my0 m1 mt1 mr1 mb1 ml1 mx1 my1 m2 mt2 mr2 mb2 ml2
    mx2 my2 m3 mt3 mr3 mb3 ml3 mx3 my3 m4 mt4 mr4 mb4 ml4 mx4 my4 mxn1 mxn2 mxn3 mxn4 p0 pt0 pr0 pb0 pl0 px0
    py0 p1 pt1 pr1 pb1 pl1 py1 px1 p2 pt2 pr2 pb2 pl2 py2 px2 p3 pt3 pr3 pb3 pl3 py3 px3 p4 pt4 pr4 pb4 pl4
    py4 px4 col-1 col-2 col-3 col-4 col-5 col-6 col-7 col-8 col-9 col-10 col-11 col-12 sm-col-1 sm-col-2
    sm-col-3 sm-col-4 sm-col-5 sm-col-6 sm-col-7 sm-col-8 sm-col-9 sm-col-10 sm-col-11 sm-col-12 md-col-1
    md-col-2 md-col-3 md-col-4 md-col-5 md-col-6 md-col-7 md-col-8 md-col-9 md-col-10 md-col-11 md-col-12
    lg-col-1 lg-col-2 lg-col-3 lg-col-4 lg-col-5 lg-col-6 lg-col-7 lg-col-8 lg-col-9 lg-col-10 lg-col-11
    lg-col-12 black gray silver white aqua blue navy teal green olive lime yellow orange red fuchsia purple
    maroon muted btn btn-sm btn-lg btn-primary bg-black bg-gray bg-silver bg-white bg-aqua bg-blue bg-navy
    bg-teal bg-green bg-olive bg-lime bg-yellow bg-orange bg-red bg-fuchsia bg-purple bg-maroon bg-muted
"""
_MOST_TERMINAL_BLOCKS: Final = 10
_TERMINAL_CLASS = re.compile(r"term(-[a-z]+\d*)*").fullmatch
_LINK_START = re.compile(r"<a[\s>]", re.IGNORECASE).match
_LINK_END = re.compile(r"</a[\s>]", re.IGNORECASE).match
_URL = re.compile(r"(?<![\w/:.@-])(?:https?://|www\.)[^\s<]+")


@lru_cache(maxsize=128)
def render(text: str) -> str:
    """Render Markdown: CommonMark with the tables, strikethrough and autolinks of GitHub, sanitized."""
    import nh3  # noqa: PLC0415 - only annotations need it

    return nh3.clean(
        _parser().render(text.encode(errors="replace").decode()),
        tags=set(_TAGS.split()),
        attributes=_ATTRIBUTES,
        attribute_filter=_filtered,
        url_schemes=_URL_SCHEMES,
        link_rel=None,
    )


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - only annotations need it

    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.core.ruler.push("autolinks", _link_urls)
    parser.core.ruler.push("github_html", _match_github)
    parser.add_render_rule("fence", _fence)
    return parser


@cache
def _allowed_classes() -> frozenset[str]:
    return frozenset(_CLASSES.split())


def _filtered(_tag: str, attribute: str, value: str) -> str | None:
    """Return the value of an attribute without the classes that are not allowed."""
    if attribute != "class":
        return value
    return " ".join(each for each in value.split() if each in _allowed_classes() or _TERMINAL_CLASS(each)) or None


def _match_github(state: StateCore) -> None:
    """Write strikethrough as `<del>` and alignment as `align`, as GitHub does."""
    for token in state.tokens:
        if (style := str(token.attrs.pop("style", ""))).startswith("text-align:"):
            token.attrSet("align", style.removeprefix("text-align:"))
        for child in token.children or ():
            if child.type in {"s_open", "s_close"}:
                child.tag = "del"


def _link_urls(state: StateCore) -> None:
    """Make links of URLs in text, outside of links."""
    for block in state.tokens:
        if block.children:
            block.children = list(_with_links(block.children))


def _with_links(tokens: list[Token]) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        depth += _change_of_depth(token)
        if token.type == "text" and depth <= 0:
            yield from _linked(token)
        else:
            yield token


def _change_of_depth(token: Token) -> int:
    """Return 1 for the start of a link, -1 for its end, and 0 for other tokens."""
    if token.type == "html_inline":
        return 1 if _LINK_START(token.content) else -1 if _LINK_END(token.content) else 0
    return {"link_open": 1, "link_close": -1}.get(token.type, 0)


def _linked(text: Token) -> Iterator[Token]:
    end = 0
    for match in _URL.finditer(text.content):
        url = _trimmed(match[0])
        if match.start() > end:
            yield text.copy(content=text.content[end : match.start()])
        href = url if url.startswith("http") else f"http://{url}"
        yield text.copy(type="link_open", tag="a", nesting=1, attrs={"href": href}, content="")
        yield text.copy(content=url)
        yield text.copy(type="link_close", tag="a", nesting=-1, content="")
        end = match.start() + len(url)
    if end < len(text.content):
        yield text.copy(content=text.content[end:])


def _trimmed(url: str) -> str:
    """Return a URL without the punctuation and the unmatched parentheses after it."""
    end, unmatched = len(url), url.count(")") - url.count("(")
    while url[end - 1] in "?!.,:*_~'\"" or (url[end - 1] == ")" and unmatched > 0):
        unmatched -= url[end - 1] == ")"
        end -= 1
    return url[:end]


def _fence(renderer: Any, tokens: list[Token], at: int, options: Any, env: Any) -> str:
    """Render a code block; the first ones that are marked as terminal output have its colors."""
    if tokens[at].info.strip() in {"term", "terminal"}:
        env["terminal_blocks"] = env.get("terminal_blocks", 0) + 1
        if env["terminal_blocks"] <= _MOST_TERMINAL_BLOCKS:
            return f'<pre class="term"><code>{as_html(tokens[at].content.encode(errors="replace"))}</code></pre>\n'
    return str(renderer.fence(tokens, at, options, env))
