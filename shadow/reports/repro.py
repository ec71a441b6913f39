"""A recorded request as commands that send it again: curl for a shell, and an `.http` file.

Pure: nothing is read, written or sent here. What a shell gets is quoted for any POSIX shell,
whatever the bytes, and shows no control character to the terminal it is printed on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from shadow.captures.shell import is_shown, quoted
from shadow.errors import ShadowError
from shadow.model import Request, readable
from shadow.reports.text import plain
from shadow.sending.fields import FRAMING, HOP_BY_HOP
from shadow.sending.rewrite import Unsendable, request_target

INLINE_BYTES: Final = 4_000
"""Up to which a body stands in the command itself."""
_CURL_ADDS: Final = ("Accept", "User-Agent")
_BODY_ADDS: Final = ("Content-Type", "Expect")
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A field name (RFC 9110, token). curl would read a file of the name behind an `@`."""
_HTTP_MEANS: Final = re.compile(r"^(?:###|<|>)|\{\{", re.MULTILINE)
"""What begins another request, a file or a handler, or a variable, in an `.http` file."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where one side listens."""

    name: str
    """What the side is called, `go`."""
    url: str
    """Empty where the run does not know it: then a variable of the shell stands for it."""

    @property
    def variable(self) -> str:
        """The variable that stands for an unknown URL: `GO_URL`."""
        return re.sub(r"[^A-Z0-9]", "_", plain(self.name).upper())[:40] + "_URL"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request to send again."""

    request: Request
    whole: bool
    """It has its headers and its body; else it is what the store keeps: method and target."""
    body_file: str
    """The file that holds the body, where it is not inline."""

    @property
    def inline(self) -> bool:
        """Whether the body can stand in a command as text."""
        body = self.request.body
        return len(body) <= INLINE_BYTES and is_shown(body)


def curl(asked: Asked, place: Place) -> str:
    """Return one line (two, where the body has line ends) that sends the request with curl.

    Raises ShadowError for a request that cannot be sent again.
    """
    line = " ".join(map(quoted, ["curl", *_options(asked)]))
    if _target(asked.request) == "*":  # of OPTIONS: it is no path behind a port
        line += " --request-target '*'"
        return f"{line} {quoted(place.url)}" if place.url else f'{line} "${place.variable}"'
    url = quoted(_target(asked.request))
    if place.url:
        return f"{line} {quoted(place.url.rstrip('/') + _target(asked.request))}"
    return f'{line} "${place.variable}"{url}'


def _options(asked: Asked) -> list[str]:
    """What curl is told, but for the URL; isomorphic strings."""
    request = asked.request
    options = ["--silent", "--show-error", "--include", "--http1.1", "--globoff", "--path-as-is"]
    if request.method == "HEAD":
        options.append("--head")
    elif request.method != "GET" or request.body:
        options += ["--request", request.method]
    if not asked.whole:
        return options
    fields = headers(request)
    for name, value in fields:
        options += ["--header", f"{name}: {value}" if value else f"{name};"]
    sent = {name.lower() for name, _ in fields}
    for name in (*_CURL_ADDS, *(_BODY_ADDS if request.body else ())):
        if name.lower() not in sent:
            options += ["--header", f"{name}:"]  # curl's own is not sent
    if request.body:
        text = request.body.decode("latin-1")
        options += (
            ["--data-raw", text] if asked.inline else ["--data-binary", f"@{asked.body_file}"]
        )
    return options


def headers(request: Request) -> list[tuple[str, str]]:
    """The headers to send: without those of the recorded connection, its framing and host.

    Nor those that are none: curl and an `.http` file can only carry well-formed ones.
    """
    left_out = {*FRAMING, *HOP_BY_HOP, "host", *({"content-encoding"} if request.decoded else ())}
    return [
        (name, value)
        for name, value in request.headers
        if name.lower() not in left_out
        and _NAME.fullmatch(name)
        and not re.search(r"[\r\n\0]", value)
    ]


def _target(request: Request) -> str:
    try:
        return request_target(request.method, request.target, "")
    except Unsendable as error:
        raise ShadowError(f"the request cannot be sent again: {error.detail}") from None


def http_file(asks: Sequence[tuple[str, Asked]], places: Sequence[Place]) -> str:
    """An `.http` file (REST Client, JetBrains) that asks both sides, with a title each."""
    blocks = [
        _http_block(f"{title}: {plain(place.name)}", asked, place)
        for title, asked in asks
        for place in places
    ]
    unknown = [place for place in places if not place.url]
    variables = "".join(f"@{place.variable} = http://127.0.0.1\n" for place in unknown)
    return (variables + "\n" if variables else "") + "\n".join(blocks)


def _http_block(title: str, asked: Asked, place: Place) -> str:
    request = asked.request
    base = plain(place.url.rstrip("/")) if place.url else f"{{{{{place.variable}}}}}"
    lines = [f"### {plain(title)}"]
    fields = headers(request) if asked.whole else []
    told = [(name, value) for name, value in fields if _is_line(value)]
    for name, value in fields:
        if not _is_line(value):
            lines.append(f"# left out, for bytes that are no text: {plain(name)}")
    lines.append(f"{plain(request.method)} {base}{_spelled(_target(request))} HTTP/1.1")
    lines += [f"{plain(name)}: {readable(value)}" for name, value in told]
    if asked.whole and request.body:
        lines += ["", http_body(asked)]
    return "\n".join(lines) + "\n"


def http_body(asked: Asked) -> str:
    """The body in an `.http` file: as text where that means just that, else by its file."""
    if is_http_inline(asked):
        return asked.request.body.decode("utf-8")
    return f"< ./{asked.body_file}"


def is_http_inline(asked: Asked) -> bool:
    """Whether the body can stand in an `.http` file, where some lines mean something."""
    if not asked.inline:
        return False
    text = asked.request.body.decode("utf-8")
    return text.strip() == text and not _HTTP_MEANS.search(text)


def _is_line(value: str) -> bool:
    shown = readable(value)
    return shown.isprintable() and "\N{REPLACEMENT CHARACTER}" not in shown and "{{" not in shown


def _spelled(target: str) -> str:
    """A target whose odd bytes are percent-encoded, which is how a client would send them."""
    return "".join(
        each if "!" <= each <= "~" and each not in "{}" else f"%{ord(each):02X}" for each in target
    )
